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
# # 5. Denoising, with and without clean data
#
# Train a network to turn noisy images into clean ones: for that it has to learn what images look like. The second half
# shows that it can learn this without ever seeing a clean one.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

import narrows
from narrows import data

PACE = float(os.environ.get("LESSON_PACE", "1"))  # below 1 for less training

training, test = data.read("mnist"), data.read("mnist:test")
clean = test.values[:1000].astype(np.float32)


def show(rows, columns=10, title=""):
    """Show rows of images of 0..255, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


def error(images):
    """Mean squared error where black is 0 and white is 1."""
    return np.mean(((images - clean) / 255) ** 2)


# %% [markdown]
# ## With clean data
#
# Every training step draws new noise, so the network never sees the same noisy image twice.

# %%
model = narrows.Denoiser(noise="gaussian:0.5", minutes=2.5 * PACE, random_state=0).fit(training)
noisy = model.with_noise(clean, seed=1)
denoised = model.transform(noisy)
blurred = np.stack([gaussian_filter(image, 1.0) for image in noisy])
medians = np.stack([median_filter(image, 3) for image in noisy])
for name, images in (
    ("noisy", noisy),
    ("Gaussian blur", blurred),
    ("median of 3x3", medians),
    ("network", denoised),
):
    print(f"{name:14} {error(images):.4f}")
show({"clean": clean, "noisy": noisy, "blurred": blurred, "network": denoised}, title="Noise of half the range")

# %% [markdown]
# A blur averages neighbours: it reduces noise, and edges too. The network has learned about strokes.
#
# It also predicts how far off it may be. The predictive standard deviation is large at the borders of strokes, where a
# pixel may be in or out. Of normally distributed errors two thirds are within one standard deviation. Here there are
# more, since most pixels are certainly black:

# %%
std = model.uncertainty(noisy)
print(f"within one standard deviation: {np.mean(np.abs(denoised - clean) <= std):.1%}")
show({"network": denoised, "std": std * 255 / std.max()}, title="Predictive standard deviation")

# %% [markdown]
# ## Without clean data
#
# Suppose that all your images are noisy. Noise that is independent from pixel to pixel cannot be predicted from the
# neighbours; the image can. So hide a pixel, and let the network predict it from those around it. The best prediction
# is the *clean* value, since the noise of the hidden pixel is unknown. Finally the prediction is combined with the
# pixel's own noisy value (Laine et al. 2019).

# %%
only_noisy = model.with_noise(training.values[:20000].astype(np.float32), seed=2)
blind = narrows.Denoiser(minutes=4.0 * PACE, random_state=0).fit(only_noisy)
without_clean = blind.transform(noisy)
print(f"trained on clean digits      {error(denoised):.4f}")
print(f"trained on noisy digits only {error(without_clean):.4f}")
print(f"noisy                        {error(noisy):.4f}")
show(
    {"clean": clean, "noisy": noisy, "with clean": denoised, "without": without_clean},
    title="Trained with and without clean digits",
)

# %% [markdown]
# ## What was removed?
#
# The difference should look like noise. If the digit shows in it, some of the digit was taken for noise; or, as here,
# the noise was clipped, so that it could only brighten black and darken white.

# %%
show({"removed": 127 + (noisy - without_clean) / 2, "error": 127 + (without_clean - clean) / 2})

# %% [markdown]
# ## Your experiment
#
# The denoiser was trained with noise of strength 0.5. How does it handle weaker and stronger noise, or another kind?
# And if it is trained on a range, `noise="gaussian:0.1-0.8"`, what does it lose at 0.5?

# %%
for noise in ("gaussian:0.2", "gaussian:0.5", "gaussian:0.8", "salt-pepper:0.2"):
    other = model.with_noise(clean, noise, seed=3)
    print(f"{noise:16} {error(other):.4f} -> {error(model.transform(other)):.4f}")
