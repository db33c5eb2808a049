"""Compression to `.narrow` files."""
