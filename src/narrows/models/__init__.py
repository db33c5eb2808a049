"""Trained models and inference."""
