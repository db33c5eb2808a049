"""Images, figures and text for people."""
