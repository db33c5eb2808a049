"""Trained models: weights, a manifest and inference on `narrows.data.Items`, without scikit-learn."""

from narrows.models.model_manifest import ModelManifest
from narrows.models.trained_model import TrainedModel, load_model

__all__ = ["ModelManifest", "TrainedModel", "load_model"]
