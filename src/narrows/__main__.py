"""`python -m narrows`."""

from narrows.cli import console

if __name__ == "__main__":
    console()
