"""From numbers to bytes, and back."""
