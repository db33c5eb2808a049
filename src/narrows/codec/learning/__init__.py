"""Training of a codec; nothing else in this package needs torch."""
