"""The engines that compute perceptrons and code symbols, as far as this machine has them."""

from contextlib import contextmanager

from narrows.codec.entropy import engines

KERNEL = engines.kernel


def available():
    """NumPy, and the compiled kernel with each set of instructions."""
    found = ["numpy"]
    for instructions in ("avx2", "avx512vnni") if KERNEL is not None else ():
        try:
            KERNEL.instructions(instructions)
        except ValueError:
            continue
        found.append(instructions)
    return found


ENGINES = available()


@contextmanager
def engine(name):
    """Compute by an engine within the block."""
    best = None if KERNEL is None else ENGINES[-1]
    engines.kernel = None if name == "numpy" else KERNEL
    if name != "numpy":
        KERNEL.instructions(name)
    try:
        yield
    finally:
        engines.kernel = KERNEL
        if KERNEL is not None:
            KERNEL.instructions(best)
