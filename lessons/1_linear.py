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
# # 1. Linear autoencoders and PCA
#
# An autoencoder is two functions that are learned together. The encoder maps an item to a short code, the decoder
# reconstructs the item from the code alone, and training minimises the difference:
#
# $$\min_{\text{encode, decode}} \; \frac1N \sum_n \lVert \text{decode}(\text{encode}(x_n)) - x_n \rVert^2$$
#
# Nobody prescribes what the numbers of the code mean. They come to mean whatever helps the reconstruction.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
print(len(training), "digits of", training.item_shape, "to train on,", len(test), "to test on")

# %% [markdown]
# ## One linear layer each way
#
# The simplest encoder multiplies the 784 pixels by a matrix, which gives 32 numbers; the decoder multiplies these by
# another matrix. A sigmoid at the end keeps pixels between 0 and 1.

# %%
model = narrows.Autoencoder("linear", code=32, minutes=1.0 * PACE, random_state=0).fit(training)
codes = model.transform(test)
reconstruction = model.reconstruct(test)
print("codes", codes.shape, " items", reconstruction.shape)


# %%
def show(rows, columns=10, title=""):
    """Show rows of images, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image, cmap="gray", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


show({"original": test.values, "reconstruction": reconstruction}, title="32 numbers instead of 784")

# %% [markdown]
# Was it still improving when it stopped? The held-out digits took no part in training. While their error falls, longer
# training helps; where it rises and that of the training digits falls, the network overfits.

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
# Without the sigmoid, the best linear encoder and decoder have been known since 1901: project onto the directions in
# which the data vary most. That is principal component analysis (PCA). It needs no training, so it shows how good
# "linear" can get.

# %%
flat, flat_test = (items.values.reshape(len(items), -1) / 255 for items in (training, test))
pca = PCA(32, svd_solver="covariance_eigh").fit(flat)
from_pca = pca.inverse_transform(pca.transform(flat_test))
errors = {
    "autoencoder": -model.score(test),
    "PCA": np.mean((from_pca - flat_test) ** 2),
    "PCA, clipped to 0..1": np.mean((from_pca.clip(0, 1) - flat_test) ** 2),
}
for name, error in errors.items():
    print(f"{name:22} {error:.5f}")
show(
    {"original": test.values, "autoencoder": reconstruction, "PCA": from_pca.reshape(-1, 28, 28).clip(0, 1)},
    title="Two linear codes of 32 numbers",
)

# %% [markdown]
# The sigmoid makes the difference: the decoder need not spend any of its 32 numbers on keeping black pixels black.
#
# ## What is in a code?
#
# Any code can be decoded. Here one number of the code of a digit varies, and the others stay.

# %%
start = codes[0]
std = codes.std(axis=0)
rows = {}
for unit in np.argsort(std)[-4:]:
    swept = np.tile(start, (10, 1))
    swept[:, unit] += np.linspace(-2, 2, 10) * std[unit]
    rows[f"number {unit}"] = model.inverse_transform(swept)
show(rows, title="One number of the code at a time")

# %% [markdown]
# Codes can be interpolated:

# %%
interpolated = np.linspace(codes[0], codes[1], 10)
mixed = np.linspace(test.values[0].astype(float), test.values[1].astype(float), 10)
show({"codes": model.inverse_transform(interpolated), "pixels": mixed}, title="Interpolation of codes and of pixels")

# %% [markdown]
# With a linear decoder (up to the sigmoid), interpolating codes is nearly the same as interpolating pixels. The next
# lesson's networks can do better.
#
# ## Your experiment
#
# How short can the code be? Change the list below, or try `loss="bce"`, and see when you can no longer read the digits.
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
