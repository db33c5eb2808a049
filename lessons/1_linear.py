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
# # 1. Through a narrow place and back
#
# An autoencoder is two functions that are learnt together. The encoder turns an item into a short code, the decoder
# rebuilds the item from the code alone, and training makes the difference small:
#
# $$\min_{\text{encode, decode}} \; \frac1N \sum_n \lVert \text{decode}(\text{encode}(x_n)) - x_n \rVert^2$$
#
# Nobody says what the numbers of the code should mean. They come to mean whatever helps to rebuild.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
print(len(training), "digits of", training.item_shape, "to learn from,", len(test), "to test on")

# %% [markdown]
# ## One linear layer each way
#
# The simplest encoder multiplies the 784 pixels by a matrix, and gets 32 numbers; the decoder multiplies these by
# another matrix. A sigmoid at the end keeps pixels between 0 and 1.

# %%
model = narrows.Autoencoder("linear", code=32, minutes=1.0 * PACE, random_state=0).fit(training)
codes = model.transform(test)
rebuilt = model.reconstruct(test)
print("codes", codes.shape, " items", rebuilt.shape)


# %%
def show(rows, columns=10, title=""):
    """Rows of pictures, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=False):
            ax.imshow(picture, cmap="gray", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


show({"original": test.values, "rebuilt": rebuilt}, title="32 numbers instead of 784")

# %% [markdown]
# Did it still learn when it stopped? The held-out digits took no part in training. While their error falls, longer
# training helps; where it rises and that of the training digits falls, the network learns by heart.

# %%
history = model.history_
plt.plot(history["seconds"], history["loss"], "--", label="training digits")
plt.plot(history["seconds"], history["held_out"], label="held-out digits")
plt.axhline(model.training_["mean_loss"], color="gray", ls=":", label="always the mean digit")
plt.yscale("log")
plt.xlabel("training time (seconds)")
plt.ylabel("mean squared error")
plt.legend()
plt.show()

# %% [markdown]
# ## The best linear code is known: PCA
#
# Without the sigmoid, the best that any linear encoder and decoder can do has been known since 1901: project on the
# directions in which the data vary the most. That is principal component analysis. It needs no training, so it tells
# us how good "linear" can get.

# %%
flat, flat_test = (items.values.reshape(len(items), -1) / 255 for items in (training, test))
pca = PCA(32, svd_solver="covariance_eigh").fit(flat)
by_pca = pca.inverse_transform(pca.transform(flat_test))
errors = {
    "autoencoder": -model.score(test),
    "PCA": np.mean((by_pca - flat_test) ** 2),
    "PCA, clipped to 0..1": np.mean((by_pca.clip(0, 1) - flat_test) ** 2),
}
for name, error in errors.items():
    print(f"{name:22} {error:.5f}")
show(
    {"original": test.values, "autoencoder": rebuilt, "PCA": by_pca.reshape(-1, 28, 28).clip(0, 1)},
    title="Two linear codes of 32 numbers",
)

# %% [markdown]
# The sigmoid makes the difference: the decoder need not spend any of its 32 numbers on keeping black black.
#
# ## What is in a code?
#
# The decoder answers to any code. Here one number of the code of a digit goes up and down, and the rest stay.

# %%
start = codes[0]
spread = codes.std(axis=0)
rows = {}
for unit in np.argsort(spread)[-4:]:
    swept = np.tile(start, (10, 1))
    swept[:, unit] += np.linspace(-2, 2, 10) * spread[unit]
    rows[f"number {unit}"] = model.inverse_transform(swept)
show(rows, title="One number of the code at a time")

# %% [markdown]
# Between two codes lie codes, too:

# %%
between = np.linspace(codes[0], codes[1], 10)
mixed = np.linspace(test.values[0].astype(float), test.values[1].astype(float), 10)
show({"codes mixed": model.inverse_transform(between), "pixels mixed": mixed}, title="From one digit to another")

# %% [markdown]
# With a linear decoder (up to the sigmoid) mixing codes is nearly the same as mixing pixels. The next lesson's
# networks can do better.
#
# ## Your experiment
#
# How short can the code be? Change the list below, or try `loss="bce"`, and see when digits become unreadable to you.
# Is there a length at which the error stops falling?

# %%
lengths = [4, 16, 64]
found = [
    -narrows.Autoencoder("linear", code=length, minutes=0.5 * PACE, random_state=0).fit(training).score(test)
    for length in lengths
]
pca_found = []
for length in lengths:
    pca = PCA(length, svd_solver="covariance_eigh").fit(flat)
    pca_found.append(np.mean((pca.inverse_transform(pca.transform(flat_test)).clip(0, 1) - flat_test) ** 2))
plt.loglog(lengths, found, "o-", label="autoencoder")
plt.loglog(lengths, pca_found, "s--", label="PCA, clipped")
plt.xticks(lengths, lengths)
plt.gca().xaxis.minorticks_off()
plt.xlabel("numbers in the code")
plt.ylabel("mean squared error on test digits")
plt.legend()
plt.show()
