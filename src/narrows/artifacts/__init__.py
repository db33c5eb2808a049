"""Model files, checkpoints and atomic file replacement."""
