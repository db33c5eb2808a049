"""The tools, as scikit-learn estimators."""
