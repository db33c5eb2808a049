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
# # 6. Imputation: filling missing values
#
# Hide parts of images, and have them predicted: a network that can do this has learned how parts of an image depend on
# each other. The same works for tables with missing values.

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
    """Show rows of images of 0..255, {label: (N, Y, X)}; missing pixels are orange."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image, cmap=plt.get_cmap("gray").with_extremes(bad="#f2c48d"), vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


# %% [markdown]
# ## Images
#
# Every training step draws a random mask, and the network predicts the hidden values. The mask is a second input
# channel: missing is not the same as black.

# %%
model = narrows.Imputer(holes="blocks:0.25+pixels:0.3", minutes=4.0 * PACE, random_state=0).fit(training)

# %%
mask = np.zeros(true.shape, bool)
mask[:, 10:20, 8:18] = True
hidden = np.where(mask, np.nan, true)
filled = model.transform(hidden)
errors = (filled - true)[mask] / 255
print(f"mean squared error of hidden pixels: {np.mean(errors**2):.4f}; of their mean: {np.var(true[mask] / 255):.4f}")
assert np.array_equal(filled[~mask], true[~mask])  # observed values never change
show({"hidden": hidden, "filled": filled, "true": true}, title="A hidden block of 10x10 pixels")

# %% [markdown]
# ## Mean and samples
#
# Filled values are the mean of what may be there. Where a stroke may go left or right, the mean is grey. Samples are
# single possibilities instead: each of them sharp, and each different.

# %%
samples = model.sample(hidden[:10], 3, random_state=0)
std = model.uncertainty(hidden[:10])
show(
    {
        "hidden": hidden,
        "filled": filled,
        **{f"sample {number + 1}": sample for number, sample in enumerate(samples)},
        "std": std * 255 / std.max(),
    },
    title="The mean, three samples, and the predictive standard deviation",
)

# %% [markdown]
# ## Most of the pixels
#
# How much may be missing? Neighbours predict a lot:

# %%
rng = np.random.default_rng(0)
for share in (0.5, 0.75, 0.9):
    mask = rng.random(true.shape) < share
    filled = model.transform(np.where(mask, np.nan, true))
    print(f"{share:.0%} hidden: error {np.mean(((filled - true)[mask] / 255) ** 2):.4f}")
    show({f"{share:.0%} hidden": np.where(mask, np.nan, true), "filled": filled})

# %% [markdown]
# ## Tables
#
# A row of a table has no neighbours, but columns depend on each other. Here a fifth of 30 measurements of cells from
# 569 patients is hidden. The imputer is used like those of scikit-learn.

# %%
bunch = load_breast_cancer()
cells = bunch.data
mask = rng.random(cells.shape) < 0.2
incomplete = np.where(mask, np.nan, cells)
scale = cells.std(axis=0)
table = narrows.Imputer(axes="NF", random_state=0)
results = {
    "mean of the column": np.where(mask, np.nanmean(incomplete, axis=0), cells),
    "5 nearest rows": np.where(mask, KNNImputer().fit_transform(incomplete / scale) * scale, cells),
    "narrows": table.fit(incomplete).transform(incomplete),
}
for name, filled in results.items():
    rmse = np.sqrt(np.mean(((filled - cells) / scale)[mask] ** 2))
    print(f"{name:20} RMSE {rmse:.3f} standard deviations")

# %% [markdown]
# This is not always so: for `load_wine`, with 178 rows and columns that depend less on each other, the nearest rows
# predict as well. Try it.
#
# The predictive standard deviations are in the unit of the data: here filled values over true ones, with bars of one
# standard deviation.

# %%
std = table.uncertainty(incomplete)
column = 6
rows = mask[:, column]
plt.errorbar(cells[rows, column], results["narrows"][rows, column], yerr=std[rows, column], fmt="o", ms=3, lw=0.8)
plt.axline((0, 0), slope=1, color="gray", lw=1)
plt.xlabel(f"true value ({bunch.feature_names[column]})")
plt.ylabel("filled value")
plt.show()

# %% [markdown]
# ## Your experiment
#
# Hide the lower half of the digits, so that a 3 may be an 8, and draw several samples. Do they differ where you would
# hesitate? What becomes of a digit of which only the corner is left?

# %%
half = true.copy()
half[:, 14:] = np.nan
samples = model.sample(half[:10], 4, random_state=1)
show({"hidden": half, **{f"sample {number + 1}": sample for number, sample in enumerate(samples)}, "true": true})
