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
# # 2. Convolutions, pooling, and the code as an image
#
# A linear layer does not know which pixels are neighbours. If you shuffled the pixels of all digits in the same way, it
# would learn just as well. Convolutions look at small neighbourhoods, in the same way everywhere, and pooling reduces
# the image, so that a code can be a small image itself.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")


def show(rows, columns=10, title="", cmap="gray"):
    """Show rows of images, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image, cmap=cmap, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


# %% [markdown]
# ## A convolution by hand
#
# A 3x3 convolution replaces each pixel by a weighted sum of itself and its eight neighbours. With the right weights it
# finds edges. Networks learn their weights, but often they arrive at ones like these.

# %%
digit = test.values[0] / 255.0
kernels = {
    "blur": np.ones((3, 3)) / 9,
    "vertical edges": np.array([[-1, 0, 1]] * 3) / 3,
    "horizontal edges": np.array([[-1, 0, 1]] * 3).T / 3,
}


def convolve(image, kernel):
    padded = np.pad(image, 1)
    return sum(
        kernel[y, x] * padded[y : y + image.shape[0], x : x + image.shape[1]] for y in range(3) for x in range(3)
    )


show({"": [digit, *(convolve(digit, kernel) for kernel in kernels.values())]}, columns=4, title=", ".join(kernels))

# %% [markdown]
# Max pooling keeps the largest value of each 2x2 square: a quarter of the values, and the strongest responses.

# %%
edges = convolve(digit, kernels["vertical edges"])
pooled = edges.reshape(14, 2, 14, 2).max(axis=(1, 3))
show({"": [edges, pooled]}, columns=2, title=f"{edges.shape} pooled to {pooled.shape}")

# %% [markdown]
# ## The classic small network
#
# Two convolutions, each followed by max pooling, turn 28x28 pixels into 4 channels of 7x7: a code of 196 numbers.

# %%
small = narrows.Autoencoder("conv", preset="lesson", code="4x7x7", upsampling="transpose", minutes=1.5 * PACE)
small.fit(training)
print("shape of a code:", small.code_shape_, " test error:", round(-small.score(test), 5))

# %% [markdown]
# The code is an image: it is active where the strokes are. Its numbers come flattened, cell by cell; reshaped, each of
# the four channels is a small image of the digit.

# %%
codes = small.transform(test).reshape(len(test), 7, 7, 4)
show(
    {"digit": test.values, **{f"channel {channel}": codes[..., channel] for channel in range(4)}},
    title="Digits and the four channels of their codes",
)

# %% [markdown]
# A channel that is black for all digits is dead: its ReLU outputs 0 for every input, so no gradient reaches its
# weights, and they stay as they are. This happens easily in such a small network, and leaves the code a channel shorter
# than it seems.
#
# The code preserves positions, which can be tested: erase the left half of the code's cells, and decode.

# %%
halved = codes.copy()
halved[:, :, :4] = np.median(codes, axis=(0, 1, 2))
show(
    {
        "original": test.values,
        "reconstruction": small.inverse_transform(codes.reshape(len(test), -1)[:10]),
        "left erased": small.inverse_transform(halved.reshape(len(test), -1)[:10]),
    },
    title="Cells of the code correspond to positions in the image",
)

# %% [markdown]
# ## A better network of the same idea
#
# The default network halves the grid by convolutions with a stride instead of pooling, and adds residual blocks, whose
# output is added to their input, which lets deep networks train well. Its code has the same 196 numbers.

# %%
better = narrows.Autoencoder("conv", code="4x7x7", minutes=2.0 * PACE, random_state=0).fit(training)
linear = narrows.Autoencoder("linear", code=196, minutes=1.0 * PACE, random_state=0).fit(training)
for name, model in (("linear, 196", linear), ("lesson, 4x7x7", small), ("default, 4x7x7", better)):
    print(f"{name:16} test error {-model.score(test):.5f}")
show(
    {
        "original": test.values,
        "linear": linear.reconstruct(test),
        "lesson": small.reconstruct(test),
        "default": better.reconstruct(test),
    },
    title="196 numbers for 784 pixels",
)

# %% [markdown]
# The linear network is good at this, too. But it has 308,308 weights, each of which serves one pixel at one position.
# The lesson's has 1,077 and the default one 52,597, and they use all of them everywhere: they take images of other
# sizes just as well, and need no more weights for larger ones.
#
# ## Your experiment
#
# A flat code of few numbers or a convolutional code of many: which shapes of code work well? Each of the following has
# about 100 numbers. Guess the order before you run it.

# %%
for code in ("2x7x7", "100", "7x4x4"):
    try:
        model = narrows.Autoencoder("conv", code=code, minutes=0.8 * PACE, random_state=0).fit(training)
        print(f"code {code:6} {np.prod(model.code_shape_):4} numbers, test error {-model.score(test):.5f}")
    except ValueError as error:  # not every grid can be reached by halving 28
        print(f"code {code:6} {error}")
