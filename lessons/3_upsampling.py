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
# # 3. Upsampling and checkerboard artifacts
#
# The encoder reduces the grid, so the decoder has to enlarge it. There are several ways to do that, and they leave
# different artifacts in their outputs.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
np.set_printoptions(precision=2, suppress=True)

# %% [markdown]
# ## In one dimension, by hand
#
# Four numbers are to become eight.

# %%
z = np.array([1.0, 3.0, 2.0, 0.0])

nearest = np.repeat(z, 2)
positions = (np.arange(8) + 0.5) / 2 - 0.5
linear = np.interp(positions, np.arange(4), z)
print("nearest neighbours  ", nearest)
print("linear interpolation", linear)

# %% [markdown]
# **Unpooling** puts each number back where its maximum was, and zeros elsewhere. It needs these positions from the
# encoder: they are part of the code.

# %%
x = np.array([1.0, 0.0, 2.0, 3.0, 2.0, 1.0, 0.0, 0.0])
pairs = x.reshape(4, 2)
where = pairs.argmax(axis=1)
unpooled = np.zeros((4, 2))
unpooled[np.arange(4), where] = pairs.max(axis=1)
print("x        ", x)
print("pooled   ", pairs.max(axis=1), "at", where)
print("unpooled ", unpooled.ravel())

# %% [markdown]
# ## The transposed convolution does not undo the convolution
#
# A convolution with a stride of 2 is a matrix $C$ with half as many rows as columns. The *transposed* convolution
# multiplies by $C^\top$. It restores the shape, 4 numbers to 8, but not the values: $C^\top C$ is not the identity, so
# it is not the inverse. (It is sometimes called deconvolution, which it is not.)

# %%
kernel = np.array([0.25, 0.5, 0.25])
C = np.zeros((4, 10))
for row in range(4):
    C[row, 2 * row : 2 * row + 3] = kernel
C = C[:, 1:9]  # as if x were padded by one zero on each side
print("C =\n", C)
print("x         ", x)
print("C x       ", C @ x, " 8 numbers to 4")
print("C' C x    ", C.T @ C @ x, " the shape of x again, but not x")
print("C' C x / x where x is not 0:", (C.T @ C @ x)[x != 0] / x[x != 0], " not even a multiple of x")

# %% [markdown]
# What is lost is lost: $C$ maps 8 numbers to 4, so many different x have the same $Cx$, and nothing can tell them
# apart. The closest thing to an inverse is the pseudo-inverse, which is another matrix. Of all x with the same $Cx$ it
# gives the one with the smallest sum of squares:

# %%
back = np.linalg.pinv(C) @ C @ x
print("the smallest of all with the same C x:", back)
print("which has the same C x:", C @ back)
other = x + np.linalg.svd(C)[2][-1]
print("another x with the same C x:", other, C @ other)

# %% [markdown]
# A *learned* transposed convolution has its own weights, not those of any encoder. Only its shape is transposed.
#
# ## The cause of checkerboards
#
# Count how many weights reach each position when a transposed convolution with stride 2 enlarges a line of ones.


# %%
def transposed(z, kernel, stride=2):
    out = np.zeros(stride * (len(z) - 1) + len(kernel))
    for position, value in enumerate(z):
        out[stride * position : stride * position + len(kernel)] += value * kernel
    return out


for size in (2, 3, 4, 5):
    enlarged = transposed(np.ones(8), np.ones(size))
    print(f"kernel {size}, stride 2: {enlarged.astype(int)}")

# %% [markdown]
# With kernels of 3 or 5, every other position gets one weight more: a flat patch becomes a pattern, in two dimensions a
# checkerboard. A network can learn weights that cancel it, but it has to learn them. Kernels whose size is a multiple
# of the stride do not start with it; neither do nearest neighbours followed by a convolution.

# %%
flat = np.ones((6, 6))
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
for ax, size in zip(axes, (2, 3, 4), strict=True):
    line = transposed(np.ones(6), np.ones(size))[2:-2]
    ax.imshow(np.outer(line, line), cmap="viridis", vmin=0)
    ax.set(xticks=[], yticks=[], title=f"kernel {size}x{size}, stride 2")
figure.suptitle("How many weights reach each pixel of a flat patch")
plt.show()

# %% [markdown]
# ## Five decoders
#
# The same small encoder, five ways of upsampling, and the same training time for each. Unpooling has the positions of
# the maxima as part of its code, so its code is longer and its error smaller: compare it with care.

# %%
kinds = ("nearest", "bilinear", "transpose", "pixelshuffle", "unpool")
models = {}
for kind in kinds:
    models[kind] = narrows.Autoencoder(
        "conv", preset="lesson", code="4x7x7", upsampling=kind, minutes=1.0 * PACE, random_state=0
    ).fit(training)
    print(f"{kind:13} {models[kind].transform(test.values[:1]).size:5} numbers, error {-models[kind].score(test):.5f}")

# %%
figure, axes = plt.subplots(len(kinds) + 1, 8, figsize=(8, 6.6))
for line, label in zip(axes, ("original", *kinds), strict=True):
    shown = test.values[:8] if label == "original" else models[label].reconstruct(test.values[:8])
    for ax, image in zip(line, shown, strict=True):
        ax.imshow(image, cmap="gray", interpolation="nearest")
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()

# %% [markdown]
# An artifact can be too faint to see. The errors of many digits, averaged by whether a pixel's row and column are even
# or odd, show what repeats every second pixel: all four numbers should be equal.

# %%
for kind, model in models.items():
    errors = (model.reconstruct(test).astype(float) - test.values) / 255
    print(f"{kind:13}", errors.reshape(-1, 14, 2, 14, 2).mean(axis=(0, 1, 3)).ravel() * 1000, "thousandths")

# %% [markdown]
# ## Your experiment
#
# Decode random codes, with the mean and standard deviation of each number but of no digit. The artifacts of each kind
# of upsampling show best where there is nothing to draw.

# %%
rng = np.random.default_rng(0)
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7))
for ax, kind in zip(axes, kinds[:4], strict=True):
    codes = models[kind].transform(test)
    decoded = models[kind].inverse_transform(rng.normal(codes.mean(0), codes.std(0), (1, codes.shape[1])))
    ax.imshow(decoded[0], cmap="gray", interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=kind)
plt.show()
