"""Entropy coding with learned probabilities."""
