"""Quantisation and the latent transform."""
