"""What can go wrong, by whose mend it needs: every message is one line that names the file or argument."""


class NarrowsError(Exception):
    """Anything this package refuses to do; the command line prints it as one line."""


class DataError(NarrowsError, ValueError):
    """Data that cannot be read, written or learnt from."""


class FormatError(NarrowsError, ValueError):
    """A model or a compressed file that is damaged, too new, or not one of ours."""


class TrainingError(NarrowsError, RuntimeError):
    """Training that did not lead to a model worth handing over."""
