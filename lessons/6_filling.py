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
# # 6. Filling in what is missing
#
# Hide parts of pictures, and ask for the whole: a network that can fill holes knows how parts hang together. The same
# works for tables with holes.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
true = test.values[:500].astype(np.float32)


def show(rows, columns=10, title=""):
    """Rows of pictures of 0..255, {label: (N, Y, X)}; holes are orange."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=False):
            ax.imshow(picture, cmap=plt.get_cmap("gray").with_extremes(bad="#f2c48d"), vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


# %% [markdown]
# ## Pictures
#
# In training, holes are drawn at random in every step, and the network is asked for what is under them. Which values
# are known is told to it as a second channel: a hole is not the same as black.

# %%
model = narrows.Imputer(holes="blocks:0.25+pixels:0.3", minutes=4.0 * PACE, random_state=0).fit(training)

# %%
holes = np.zeros(true.shape, bool)
holes[:, 10:20, 8:18] = True
hidden = np.where(holes, np.nan, true)
filled = model.transform(hidden)
off = (filled - true)[holes] / 255
print(f"mean squared error in the hole: {np.mean(off**2):.4f}; of the mean pixel: {np.var(true[holes] / 255):.4f}")
assert np.array_equal(filled[~holes], true[~holes])  # what is known is never changed
show({"hidden": hidden, "filled": filled, "true": true}, title="A hole of 10x10 pixels")

# %% [markdown]
# ## One answer, or many
#
# What is filled in is the mean of all that may be there. Where a stroke may go left or right, the mean is grey. Draws
# are single possibilities instead: each of them sharp, and each another one.

# %%
draws = model.sample(hidden[:10], 3, random_state=0)
doubt = model.uncertainty(hidden[:10])
show(
    {
        "hidden": hidden,
        "filled": filled,
        **{f"draw {number + 1}": draw for number, draw in enumerate(draws)},
        "doubt": doubt * 255 / doubt.max(),
    },
    title="The mean, three draws, and where they differ",
)

# %% [markdown]
# ## Most of the pixels
#
# How much may be missing? Neighbours say a lot:

# %%
rng = np.random.default_rng(0)
for share in (0.5, 0.75, 0.9):
    holes = rng.random(true.shape) < share
    answer = model.transform(np.where(holes, np.nan, true))
    print(f"{share:.0%} hidden: error {np.mean(((answer - true)[holes] / 255) ** 2):.4f}")
    show({f"{share:.0%} hidden": np.where(holes, np.nan, true), "filled": answer})

# %% [markdown]
# ## Tables
#
# A row of a table has no neighbours, but columns know of each other. Here a fifth of 30 measurements of cells from 569
# patients is hidden. The imputer is used as those of scikit-learn are.

# %%
bunch = load_breast_cancer()
cells = bunch.data
holes = rng.random(cells.shape) < 0.2
with_holes = np.where(holes, np.nan, cells)
deviation = cells.std(axis=0)
table = narrows.Imputer(axes="NF", random_state=0)
answers = {
    "mean of the column": np.where(holes, np.nanmean(with_holes, axis=0), cells),
    "5 nearest rows": np.where(holes, KNNImputer().fit_transform(with_holes / deviation) * deviation, cells),
    "narrows": table.fit(with_holes).transform(with_holes),
}
for name, answer in answers.items():
    rmse = np.sqrt(np.mean(((answer - cells) / deviation)[holes] ** 2))
    print(f"{name:20} {rmse:.3f} deviations off")

# %% [markdown]
# It is not always so: of `load_wine`, which has 178 rows and columns that know less of each other, the nearest rows
# tell as much. Try it.
#
# The doubt is a figure that you can go on with: here true values over filled ones, with a bar of one deviation.

# %%
doubt = table.uncertainty(with_holes)
column = 6
rows = holes[:, column]
plt.errorbar(cells[rows, column], answers["narrows"][rows, column], yerr=doubt[rows, column], fmt="o", ms=3, lw=0.8)
plt.axline((0, 0), slope=1, color="gray", lw=1)
plt.xlabel(f"true value ({bunch.feature_names[column]})")
plt.ylabel("filled in")
plt.show()

# %% [markdown]
# ## Your experiment
#
# Cover the lower half of the digits, so that a 3 may be an 8, and draw several fillings. Do the draws differ where you
# would hesitate? What becomes of a digit of which only the corner is left?

# %%
half = true.copy()
half[:, 14:] = np.nan
draws = model.sample(half[:10], 4, random_state=1)
show({"hidden": half, **{f"draw {number + 1}": draw for number, draw in enumerate(draws)}, "true": true})
