"""The `.narrow` container format."""
