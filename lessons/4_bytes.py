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
# bits in four steps: quantisation, entropy, context, and the curve of rate and distortion.

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
# A real number has endlessly many digits. Divide by a step, round, and there are few whole numbers left to write; the
# error is at most half a step. Coarser steps: fewer numbers, larger errors.

# %%
model = narrows.Autoencoder("linear", code=32, minutes=0.7 * PACE, random_state=0).fit(training)
codes = model.transform(some)


def entropy(symbols):
    """Bits a symbol, when each is coded by how often it occurs."""
    _, counts = np.unique(symbols, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


print(" step   error of the digits   bits a number   bytes a digit")
for step in (0.05, 0.2, 0.8, 2.0, 4.0):
    rounded = np.round(codes / step).astype(int)
    rebuilt = model.inverse_transform((rounded * step).astype(np.float32))
    error = np.mean(((rebuilt.astype(float) - some) / 255) ** 2)
    bits = np.mean([entropy(column) for column in rounded.T])
    print(f"{step:5.2f} {error:21.5f} {bits:15.2f} {32 * bits / 8:15.1f}")

# %% [markdown]
# ## Entropy
#
# If a symbol has probability $p$, the best code spends $-\log_2 p$ bits on it: frequent symbols get short words. The
# mean over all symbols is the entropy, and no code that looks at one symbol at a time can do better. Most pixels of
# digits are black, so even without any network there is much to win:

# %%
print(f"as they are       8.00 bits a pixel, {784:6.1f} bytes a digit")
print(f"entropy of pixels {entropy(some):.2f} bits a pixel, {784 * entropy(some) / 8:6.1f} bytes a digit")

# %% [markdown]
# ## Context
#
# A black pixel is most often followed by a black one. Who knows the neighbours can guess better, and what is guessed
# better costs less. Count pixels separately for each value of their left neighbour, and of left and upper neighbour
# (in four shades, so that there are enough of each to count):


# %%
def conditional_entropy(symbols, context):
    """Bits a symbol, when the context is known beforehand."""
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
    print(f"knowing {name:20} {bits:.2f} bits a pixel, {784 * bits / 8:6.1f} bytes a digit")

# %% [markdown]
# Counting ends here: with more neighbours there are more contexts than pixels to count. A small network that *predicts*
# the probabilities from many neighbours goes on from here. That is what a codec learns; and an arithmetic coder turns
# probabilities into bits with hardly any loss.

# %%
codec = narrows.Codec(minutes=3.0 * PACE, random_state=0).fit(training)
blob = codec.compress(some, lossless=True)
print(f"the codec: {8 * len(blob) / some.size:.2f} bits a pixel, {len(blob) / len(some):6.1f} bytes a digit")
assert np.array_equal(codec.decompress(blob), some)  # every pixel comes back

# %% [markdown]
# ## Rate and distortion
#
# Who may lose something can choose how much. Each quality is a point: bytes to the right, fidelity upwards. A better
# codec's curve lies further up and left.


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
plt.xlabel("bytes a digit")
plt.ylabel("PSNR (dB)")
plt.legend()
plt.show()

# %% [markdown]
# A bound is another kind of promise: no pixel is off by more than so much.

# %%
for most in (1, 8, 32):
    blob = codec.compress(some, max_error=most)
    worst = np.abs(codec.decompress(blob).astype(int) - some).max()
    print(f"at most {most:2} off: {len(blob) / len(some):6.1f} bytes a digit, worst pixel {worst} off")

# %% [markdown]
# ## Your experiment
#
# A codec is good at what it has seen. Compress digits upside down, negatives, noise: which cost more, and why? What is
# kept exactly never depends on the guess being good; only the bytes do.

# %%
rng = np.random.default_rng(0)
for name, pictures in (
    ("digits", some),
    ("upside down", some[:, ::-1].copy()),
    ("negatives", 255 - some),
    ("noise", rng.integers(0, 256, some.shape, np.uint8)),
):
    blob = codec.compress(pictures, lossless=True)
    assert np.array_equal(codec.decompress(blob), pictures)
    print(f"{name:12} {len(blob) / len(some):7.1f} bytes a digit")
