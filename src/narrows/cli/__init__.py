"""The command line: thin, no logic of its own.

Verbs import what they work with when they run, so that help is quick.
"""

from narrows.cli.application import main

__all__ = ["main"]
