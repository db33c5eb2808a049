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
# would learn just as well. Convolutions look at small neighbourhoods, the same way everywhere, and pooling makes the
# picture smaller: so a code can be a small image itself.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")


def show(rows, columns=10, title="", cmap="gray"):
    """Rows of pictures, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=False):
            ax.imshow(picture, cmap=cmap, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


# %% [markdown]
# ## A convolution by hand
#
# A 3x3 convolution replaces each pixel by a weighted sum of itself and its eight neighbours. With the right weights it
# finds edges. Networks learn their weights, but these are some that they often come to.

# %%
digit = test.values[0] / 255.0
kernels = {
    "blur": np.ones((3, 3)) / 9,
    "upright edges": np.array([[-1, 0, 1]] * 3) / 3,
    "flat edges": np.array([[-1, 0, 1]] * 3).T / 3,
}


def convolve(picture, kernel):
    padded = np.pad(picture, 1)
    return sum(
        kernel[y, x] * padded[y : y + picture.shape[0], x : x + picture.shape[1]] for y in range(3) for x in range(3)
    )


show({"": [digit, *(convolve(digit, kernel) for kernel in kernels.values())]}, columns=4, title=", ".join(kernels))

# %% [markdown]
# Max pooling keeps the largest value of each 2x2 square: a quarter of the values, and the strongest answers.

# %%
edges = convolve(digit, kernels["upright edges"])
pooled = edges.reshape(14, 2, 14, 2).max(axis=(1, 3))
show({"": [edges, pooled]}, columns=2, title=f"{edges.shape} pooled to {pooled.shape}")

# %% [markdown]
# ## The classic small network
#
# Two convolutions, each followed by max pooling, make 28x28 pixels 4 channels of 7x7: a code of 196 numbers.

# %%
small = narrows.Autoencoder("conv", preset="lesson", code="4x7x7", upsampling="transpose", minutes=1.5 * PACE)
small.fit(training)
print("shape of a code:", small.code_shape_, " test error:", round(-small.score(test), 5))

# %% [markdown]
# The code is an image: its cells lie where the strokes lie. Its numbers come flattened, cell by cell; folded back, each
# of the four channels is a small picture of the digit.

# %%
codes = small.transform(test).reshape(len(test), 7, 7, 4)
show(
    {"digit": test.values, **{f"channel {channel}": codes[..., channel] for channel in range(4)}},
    title="Digits and the four channels of their codes",
)

# %% [markdown]
# A channel that is black for all digits has died: its ReLU answers 0 to everything, so no error reaches its weights,
# and they stay as they are. It happens easily in so small a network, and leaves its code a channel shorter than it
# seems.
#
# That the code keeps places can be tested: wipe out the left half of the code's cells, and decode.

# %%
halved = codes.copy()
halved[:, :, :4] = np.median(codes, axis=(0, 1, 2))
show(
    {
        "original": test.values,
        "rebuilt": small.inverse_transform(codes.reshape(len(test), -1)[:10]),
        "left wiped": small.inverse_transform(halved.reshape(len(test), -1)[:10]),
    },
    title="Cells of the code belong to places of the picture",
)

# %% [markdown]
# ## A better network of the same idea
#
# The default network halves the grid by convolutions with a stride instead of pooling, and adds residual blocks, whose
# output is added to their input, so that deep networks learn well. Its code has the same 196 numbers.

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
# The linear network is good at this, too. But it has 308,308 weights, each of which serves one pixel at one place. The
# lesson's has 1,077 and the default one 52,597, and they use all of them everywhere: they take pictures of other sizes
# just as well, and need no more weights for larger ones.
#
# ## Your experiment
#
# A flat code of few numbers and a convolutional code of many: which shapes of code do well? Each of the following has
# about 100 numbers. Guess the order before you run it.

# %%
for code in ("2x7x7", "100", "7x4x4"):
    try:
        model = narrows.Autoencoder("conv", code=code, minutes=0.6 * PACE, random_state=0).fit(training)
        print(f"code {code:6} {np.prod(model.code_shape_):4} numbers, test error {-model.score(test):.5f}")
    except ValueError as error:  # not every grid can be had by halving 28
        print(f"code {code:6} {error}")
