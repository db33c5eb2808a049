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
# # 5. Taking noise away, with and without clean data
#
# Give a network noisy pictures, and ask for the clean ones: to rebuild them it must learn what pictures look like. The
# surprise comes in the second half: it can learn that without ever seeing a clean one.

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
    """Rows of pictures of 0..255, {label: (N, Y, X)}."""
    figure, axes = plt.subplots(len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=False):
            ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(title)
    plt.show()


def error(pictures):
    """Mean squared error where black is 0 and white is 1."""
    return np.mean(((pictures - clean) / 255) ** 2)


# %% [markdown]
# ## With clean data
#
# Noise is drawn anew in every step of training, so the network never sees the same noisy picture twice.

# %%
model = narrows.Denoiser(noise="gaussian:0.5", minutes=2.5 * PACE, random_state=0).fit(training)
noisy = model.with_noise(clean, seed=1)
denoised = model.transform(noisy)
blurred = np.stack([gaussian_filter(picture, 1.0) for picture in noisy])
medians = np.stack([median_filter(picture, 3) for picture in noisy])
for name, pictures in (
    ("noisy", noisy),
    ("Gaussian blur", blurred),
    ("median of 3x3", medians),
    ("network", denoised),
):
    print(f"{name:14} {error(pictures):.4f}")
show({"clean": clean, "noisy": noisy, "blurred": blurred, "network": denoised}, title="Half of the range as noise")

# %% [markdown]
# A blur averages neighbours: noise shrinks, and so do edges. The network knows strokes.
#
# It also says how sure it is. Where the stated deviation is large, it could not tell: at the borders of strokes,
# where a pixel may be in or out. Of normally distributed errors two thirds lie within one deviation. Here there are
# more, since most pixels are black, and it knows that:

# %%
doubt = model.uncertainty(noisy)
print(f"within one stated deviation: {np.mean(np.abs(denoised - clean) <= doubt):.1%}")
show({"network": denoised, "doubt": doubt * 255 / doubt.max()}, title="Where it is in doubt")

# %% [markdown]
# ## Without clean data
#
# Suppose all pictures you ever had were noisy. Noise that is independent from pixel to pixel cannot be guessed from the
# neighbours; the picture can. So hide a pixel, and let the network guess it from those around it. It can do no better
# than the *clean* value, for the noise of the hidden pixel is unknown to it. Then its own noisy value, which was kept
# out, is weighed against the guess.

# %%
only_noisy = model.with_noise(training.values[:20000].astype(np.float32), seed=2)
blind = narrows.Denoiser(minutes=4.0 * PACE, random_state=0).fit(only_noisy)
without_clean = blind.transform(noisy)
print(f"learnt with clean digits    {error(denoised):.4f}")
print(f"learnt from noisy ones only {error(without_clean):.4f}")
print(f"noisy                       {error(noisy):.4f}")
show({"clean": clean, "noisy": noisy, "with clean": denoised, "without": without_clean}, title="Nothing clean was seen")

# %% [markdown]
# ## What was taken away?
#
# The difference should look like noise. If you can see the digit in it, some of the digit was taken for noise; or, as
# here, the noise was clipped, so that it could only brighten what is black and darken what is white.

# %%
show({"taken away": 127 + (noisy - without_clean) / 2, "error": 127 + (without_clean - clean) / 2})

# %% [markdown]
# ## Your experiment
#
# The denoiser learnt with noise of strength 0.5. What does it do to weaker and stronger noise, or to another kind? And
# if it learns from a range, `noise="gaussian:0.1-0.8"`, what does it lose at 0.5?

# %%
for noise in ("gaussian:0.2", "gaussian:0.5", "gaussian:0.8", "salt-pepper:0.2"):
    other = model.with_noise(clean, noise, seed=3)
    print(f"{noise:16} {error(other):.4f} -> {error(model.transform(other)):.4f}")
