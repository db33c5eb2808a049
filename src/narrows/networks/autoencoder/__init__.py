"""Autoencoder networks: linear, dense and convolutional."""
