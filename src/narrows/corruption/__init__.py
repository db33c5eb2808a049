"""Noise and masks applied during training."""
