"""Trained models: weights, a manifest and inference on `narrows.data.Items`, without scikit-learn."""

from narrows.models.trained_model import ModelManifest, TrainedModel, load_model

__all__ = ["ModelManifest", "TrainedModel", "load_model"]
