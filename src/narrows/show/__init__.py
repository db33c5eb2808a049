"""What the package shows: figures, and the tour behind `narrows demo`."""
