# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. From code to bytes
#
# 32 numbers instead of 784 are not yet a small file: how many *bytes* are 32 numbers? This lesson goes from values to
# bits in four steps: quantisation, entropy, context, and rate and distortion.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
some = test.values[:500]

# %% [markdown]
# ## Quantisation
#
# A real number has infinitely many digits. Divide by a step and round, and a few integers are left to write; the error
# is at most half a step. Coarser steps mean fewer integers and larger errors.

# %%
model = narrows.Autoencoder("linear", code=32, minutes=0.7 * PACE, random_state=0).fit(training)
codes = model.transform(some)


def entropy(symbols):
    """Bits per symbol, if each is coded by its frequency."""
    _, counts = np.unique(symbols, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


print(" step   error of the digits   bits per number   bytes per digit")
for step in (0.05, 0.2, 0.8, 2.0, 4.0):
    rounded = np.round(codes / step).astype(int)
    decoded = model.inverse_transform((rounded * step).astype(np.float32))
    error = np.mean(((decoded.astype(float) - some) / 255) ** 2)
    bits = np.mean([entropy(column) for column in rounded.T])
    print(f"{step:5.2f} {error:21.5f} {bits:17.2f} {32 * bits / 8:17.1f}")

# %% [markdown]
# ## Entropy
#
# If a symbol has probability $p$, the best code spends $-\log_2 p$ bits on it: frequent symbols get short codewords.
# The mean over all symbols is the entropy, and no code that looks at one symbol at a time can do better. Most pixels of
# digits are black, so even without a network there is much to gain:

# %%
print(f"uncompressed      8.00 bits per pixel, {784:6.1f} bytes per digit")
print(f"entropy of pixels {entropy(some):.2f} bits per pixel, {784 * entropy(some) / 8:6.1f} bytes per digit")

# %% [markdown]
# ## Context
#
# A black pixel is usually followed by a black one. Knowing the neighbours makes better predictions, and better
# predictions cost fewer bits. Count pixels separately for each value of their left neighbour, and of the left and upper
# neighbours (in four shades, so that there are enough of each to count):


# %%
def conditional_entropy(symbols, context):
    """Bits per symbol, if the context is known."""
    return sum(np.mean(context == which) * entropy(symbols[context == which]) for which in np.unique(context))


shades = np.digitize(some, (1, 100, 200))
padded = np.pad(shades, ((0, 0), (1, 0), (1, 0)))
left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
for name, context in (
    ("nothing", np.zeros_like(left)),
    ("left", left),
    ("left, above", 4 * left + above),
    ("left, above, corner", 16 * left + 4 * above + corner),
):
    bits = conditional_entropy(some, context)
    print(f"knowing {name:20} {bits:.2f} bits per pixel, {784 * bits / 8:6.1f} bytes per digit")

# %% [markdown]
# Counting ends here: with more neighbours there are more contexts than pixels to count. A small network that *predicts*
# the probabilities from many neighbours goes further. That is what a codec learns; an arithmetic coder then turns
# probabilities into bits with hardly any overhead.

# %%
codec = narrows.Codec(minutes=3.0 * PACE, random_state=0).fit(training)
blob = codec.compress(some, lossless=True)
print(f"the codec: {8 * len(blob) / some.size:.2f} bits per pixel, {len(blob) / len(some):6.1f} bytes per digit")
assert np.array_equal(codec.decompress(blob), some)  # every pixel is restored exactly

# %% [markdown]
# ## Rate and distortion
#
# Lossy compression can choose how much to lose. Each quality is a point: bytes to the right, fidelity upwards. The
# curve of a better codec is further up and left.


# %%
def psnr(a, b):
    """In dB, where 255 is the peak."""
    return float(-10 * np.log10(np.mean((a.astype(float) - b) ** 2) / 255**2))


points = []
for quality in (5, 20, 40, 60, 80):
    blob = codec.compress(some, quality=quality)
    points.append((len(blob) / len(some), psnr(codec.decompress(blob), some)))
scalar = []
for step in (0.2, 0.8, 2.0, 4.0):
    rounded = np.round(codes / step).astype(int)
    size = sum(entropy(column) for column in rounded.T) / 8
    scalar.append((size, psnr(model.inverse_transform((rounded * step).astype(np.float32)), some)))
plt.plot(*zip(*points, strict=True), "o-", label="codec")
plt.plot(*zip(*scalar, strict=True), "s--", label="linear code, rounded (entropy)")
plt.xscale("log")
plt.xlabel("bytes per digit")
plt.ylabel("PSNR (dB)")
plt.legend()
plt.show()

# %% [markdown]
# A maximum error is another kind of guarantee: no pixel differs by more than that.

# %%
for max_error in (1, 8, 32):
    blob = codec.compress(some, max_error=max_error)
    worst = np.abs(codec.decompress(blob).astype(int) - some).max()
    print(f"max error {max_error:2}: {len(blob) / len(some):6.1f} bytes per digit, worst pixel off by {worst}")

# %% [markdown]
# ## Your experiment
#
# A codec is good at data like those it was trained on. Compress digits upside down, negatives, noise: which cost more,
# and why? Lossless never depends on good predictions; only the number of bytes does.

# %%
rng = np.random.default_rng(0)
for name, images in (
    ("digits", some),
    ("upside down", some[:, ::-1].copy()),
    ("negatives", 255 - some),
    ("noise", rng.integers(0, 256, some.shape, np.uint8)),
):
    blob = codec.compress(images, lossless=True)
    assert np.array_equal(codec.decompress(blob), images)
    print(f"{name:12} {len(blob) / len(some):7.1f} bytes per digit")
