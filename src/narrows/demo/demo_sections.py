"""The sections of the demo, in order. To add one, write a function DemoContext -> Section and add it to `SECTIONS`.

A section trains the models that it needs and may use the results of earlier ones. `demo_context.SECONDS` holds its
training times.
"""

from collections.abc import Callable

import numpy as np

from narrows.demo import upsampling_artifacts
from narrows.demo.demo_context import BLOCK, DemoContext, Result, linked, restoration_table, with_blocks, with_noise
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.render.blocks import Definitions, ImageFile, Link, Section, Table
from narrows.render.item_rows import difference_rows, item_rows, std_rows
from narrows.render.plots import training_curves

CODEC_FILE = "codec.safetensors"


def linear(context: DemoContext) -> Section:
    """Compare a linear autoencoder with PCA."""
    plain, clipped = context.compare_pca(32)
    result = context.reconstruct("linear", "linear", Autoencoder("linear", code=32))
    context.results.append([plain, clipped, result])
    image = context.save(
        "linear",
        item_rows("Through 32 numbers, linearly", rows_of(context, clipped, result)),
        alt="Three rows of the digits 0 to 9: the originals, PCA's reconstructions, blurred and with grey shadows, and "
        "those of the linear autoencoder, with fewer shadows.",
        caption="PCA adds and subtracts whole images, which leaves grey shadows around the strokes. The sigmoid "
        "presses them down to the colour of the paper.",
    )
    return Section(
        "A linear autoencoder beside PCA",
        [
            "A digit has 28 x 28 = 784 pixels. The smallest autoencoder encodes them in 32 numbers, the code: one "
            "linear layer from 784 to 32, one from 32 back to 784, and a sigmoid that keeps every pixel between 0 and "
            "1.",
            "Principal component analysis (PCA) is the best that a linear encoder and a linear decoder can do with "
            f"nothing after them. Fitted on the same digits, it has a test error of {plain.mse:.4f}, or "
            f"{clipped.mse:.4f} with values below 0 and above 1 clipped. The autoencoder has {result.mse:.4f}: most "
            "pixels are all paper or all ink, which a sigmoid expresses well.",
            image,
        ],
    )


def convolutional(context: DemoContext) -> Section:
    """Compare convolutional autoencoders with PCA."""
    plain, clipped = context.compare_pca(196)
    wide = [
        context.reconstruct(key, name, Autoencoder("conv", code="4x7x7", upsampling=upsampling, preset=preset))
        for key, name, upsampling, preset in (
            ("conv-nearest", "conv, nearest", "nearest", "default"),
            ("conv-transpose", "conv, transpose", "transpose", "default"),
            ("lesson-transpose", "lesson's conv", "transpose", "lesson"),
        )
    ]
    narrow = context.reconstruct("conv-32", "conv, nearest", Autoencoder("conv", code=32))
    linear_mse = context.find("linear", 32).mse
    context.results.append([plain, clipped, *wide, narrow])
    image = context.save(
        "convolutional",
        difference_rows(
            "Through 196 numbers: what is lost",
            context.originals,
            {result.label: result.examples for result in (clipped, *wide)},
        ),
        alt="The test digits 0 to 9, and below them the errors of PCA and of three convolutional autoencoders, orange "
        "where there is too much ink and violet where there is too little.",
        caption="Orange pixels have too much ink in the reconstruction, violet ones too little. The fainter a row, the "
        "better; the remaining errors are at the edges of the strokes.",
    )
    return Section(
        "Convolutions",
        [
            "A convolutional encoder slides small filters over the image and halves it twice, down to 4 channels of "
            "7 x 7: 196 numbers. The decoder doubles it twice on the way back, by repeating each value and convolving "
            "(nearest) or by a transposed convolution (transpose).",
            "The lesson's network is the small one that courses begin with: two convolutions with max pooling, and two "
            "transposed convolutions whose kernels do not overlap. The other two have more layers. PCA with 196 "
            f"components has an error of {plain.mse:.4f}, clipped {clipped.mse:.4f}.",
            "Convolutions can also end in a short code, through one more linear layer. With 32 numbers, as many as the "
            f"linear autoencoder has, the error is {narrow.mse:.4f}, compared with its {linear_mse:.4f}.",
            image,
        ],
    )


def training(context: DemoContext) -> Section:
    """Show the validation losses over time."""
    results = [result for group in context.results for result in group]
    histories = {
        f"{result.name}, code {result.code}": result.model.history_ for result in results if result.model is not None
    }
    levels = {f"PCA-{code}, clipped": context.find("PCA, clipped", code).mse for code in (32, 196)}
    image = context.save(
        "training",
        training_curves("Error over training time", histories, levels),
        alt=f"Falling curves of the error on held-out digits over seconds of training, for {len(histories)} models, "
        "with lines at the errors of PCA.",
        caption="The vertical axis is logarithmic: each grid line is about half of the one above. Most is gained in "
        "the first seconds; the last gains come as the learning rate falls to zero.",
    )
    return Section(
        "How they learn",
        [
            "Some training digits are held out: the networks do not learn from them, and the error on them decides "
            "which weights are kept. Each model is given a time, and its learning rate rises and falls to fit.",
            image,
        ],
    )


def upsampling(context: DemoContext) -> Section:
    """Show the artifacts of untrained upsampling layers."""
    image = context.save(
        "upsampling",
        upsampling_artifacts.artifact_figure("Untrained layers that double a patch", context.originals[3]),
        alt="Six kinds of upsampling. Top row: counts of weights, equal everywhere but for transpose with kernel 3 and "
        "unpool, which have 1, 2 and 4. Middle: a flat patch stays flat with nearest and bilinear and becomes a "
        "regular pattern with the others. Bottom: a digit, with a checkerboard for transpose with kernel 3.",
        caption="Top: where the counts differ, some pixels get more weight than others before anything is learned. "
        "Middle: one layer with random weights on a constant patch; orange is above the mean, violet below. Bottom: a "
        "digit of half the size through 256 such layers, root mean square.",
    )
    kinds = (
        ("nearest", "Each value is repeated, then convolved: what is flat stays flat, whatever the weights."),
        ("bilinear", "Values are interpolated, then convolved: flat stays flat, and steps become slopes."),
        ("transpose, kernel 3", "3 is not a multiple of the stride 2: pixels get 1, 2 or 4 weights in turn."),
        ("transpose, kernel 4", "All pixels get 4 weights, but the 2 x 2 of a cell each have their own to balance."),
        ("pixel shuffle", "Four channels become the 2 x 2 pixels of a cell: equal numbers of weights, yet their own."),
        ("unpool", "Values go where the encoder found the maxima, zeros elsewhere: sharp edges, and gaps to fill."),
    )
    return Section(
        "Upsampling artifacts",
        [
            "A decoder has to enlarge its grid, and some ways of doing so print a pattern on whatever they enlarge: "
            "the checkerboard. It shows best before training, which then has to work against it. (A. Odena, "
            "V. Dumoulin, C. Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016.)",
            image,
            Definitions(kinds),
        ],
    )


def interpolation(context: DemoContext) -> Section:
    """Interpolate between the codes of two digits."""
    first, second, shares = 2, 7, np.linspace(0, 1, 11)
    rows = {"fading\npixels": fade(context.originals[[first, second]], shares)}
    for name, code in (("linear", 32), ("conv, nearest", 32), ("conv, nearest", 196)):
        model = context.find(name, code).model
        assert model is not None
        codes = model.transform(context.examples.select([first, second]))
        rows[f"{name}\n{code} numbers"] = model.inverse_transform(fade(codes, shares)) / 255
    ticks = [f"{share:.1f}" for share in shares]
    image = context.save(
        "interpolation",
        item_rows("From one digit to another", rows, ticks=ticks, ticks_label="share of the second digit"),
        alt=f"Four rows of images from a {first} to a {second}: by fading pixels, and through the codes of three "
        "models.",
        caption="Fading pixels shows both digits at once, like a photograph exposed twice. The short convolutional "
        "code deforms one into the other; a code on a grid keeps positions, and fades more.",
    )
    return Section(
        "Interpolation between two digits",
        ["Encode two digits, interpolate linearly between their codes, and decode the codes on the way.", image],
    )


def compression(context: DemoContext) -> Section:
    """Compress digits at several rates."""
    codec = Codec()
    file = context.fit("codec", "codec", codec)
    context.say(f"{'codec':32}  trained for {codec.training_['seconds']:.0f} s")
    shown, table = {"original": context.originals}, list[tuple[str | Link, ...]]()
    table += [(name, f"{size:.1f}", "exact") for name, size in context.sizes_without_learning().items()]
    for quality in (None, 35, 20, 5):
        name = "lossless" if quality is None else f"quality {quality}"
        size, fidelity, examples = context.compress(codec, quality)
        context.say(f"{'codec, ' + name:32}  {size:.1f} bytes a digit, {fidelity}")
        table.append((linked(f"codec, {name}", file), f"{size:.1f}", fidelity))
        if quality is not None:
            shown[f"{name}\n{size:.0f} bytes\n{fidelity}"] = examples
    image = context.save(
        "compression",
        item_rows("Digits at three rates", shown),
        alt="The digits 0 to 9 as they are, and from compressed files at three rates: hardly any different, somewhat "
        "coarser at the edges, and in few shades of grey.",
        caption="Bytes are those of the whole file of test digits, divided by their number. The model is not counted: "
        "both sides have it.",
    )
    return Section(
        "From code to file",
        [
            "A code of numbers is not yet a file. The codec quantises the pixels themselves, the more coarsely the "
            "lower the quality, and predicts each from those already decoded: first a few scattered over the image, "
            "then those between. Likely values take few bits, certain ones next to none.",
            "When decompressing, a small network estimates where in its quantisation step each pixel was. In lossless "
            "mode every pixel is restored exactly, on every machine.",
            image,
            Table(("File", "Bytes a digit", "Fidelity"), [table]),
        ],
    )


def denoising(context: DemoContext) -> Section:
    """Denoise digits, with and without clean training data."""
    noise = "gaussian:0.5"
    noisy_training = with_noise(context.training, noise, seed=1)
    noisy = with_noise(context.test, noise, seed=2)
    denoised, lesson, blind = (
        context.denoise(key, name, model, items, noisy)
        for key, name, model, items in (
            ("denoiser", "denoiser", Denoiser(noise), context.training),
            ("denoiser-lesson", "lesson's denoiser", Denoiser(noise, preset="lesson"), context.training),
            ("denoiser-blind", "without clean data", Denoiser(), noisy_training),
        )
    )
    rows = {"clean": context.originals, f"noisy\nMSE {denoised.before:.4f}": noisy.values[context.shown] / 255}
    rows |= {restored.label: restored.examples for restored in (lesson, denoised, blind)}
    image = context.save(
        "denoising",
        item_rows("Digits under noise, and denoised", rows),
        alt="Five rows of the digits 0 to 9: clean; hardly visible under noise; and as three denoisers restore them, "
        "very blurred by the lesson's, clear by the others.",
        caption="All three see the noisy row alone. The last has never seen a clean digit, in training either.",
    )
    return Section(
        "Denoising",
        [
            "Without a bottleneck, a network can learn to turn corrupted inputs into clean outputs: it has to know "
            "digits to tell strokes from noise. Here noise with a standard deviation of half the range is added to "
            "each pixel, and the result is clipped to 0 to 1. Skip connections lead from the encoder to the "
            "decoder; the lesson's denoiser has none.",
            "Clean examples are not needed where the noise of a pixel says nothing about that of the next. The last "
            "denoiser is shown noisy digits with one pixel in four hidden, and predicts these. It can learn the digit, "
            "which continues from pixel to pixel, and cannot learn the noise, which does not.",
            image,
            restoration_table([denoised, lesson, blind]),
        ],
    )


def imputation(context: DemoContext) -> Section:
    """Fill hidden parts of digits."""
    imputer = Imputer()
    file = context.fit("imputer", "imputer", imputer)
    context.say(f"{'imputer':32}  trained for {imputer.training_['seconds']:.0f} s")
    kinds = {
        f"a block of {BLOCK} x {BLOCK}": with_blocks(context.test, seed=0),
        "75 % of the pixels": imputer.with_holes(context.test, "pixels:0.75"),
        "strokes": imputer.with_holes(context.test, "strokes"),
    }
    filled = [context.fill(name, imputer, masked, file) for name, masked in kinds.items()]
    columns = [4, 5, 8]
    masked = [items.select([context.shown[digit] for digit in columns]) for items in kinds.values()]
    samples = [imputer.sample(items, 2) for items in masked]
    originals = context.originals[columns]
    rows = {
        "original": np.concatenate([originals] * len(masked)),
        "hidden": np.concatenate([np.where(items.mask_items().values, np.nan, originals) for items in masked]),
        "filled": np.concatenate([restored.examples[columns] for restored in filled]),
        "one sample": np.concatenate([first.values for first, _ in samples]) / 255,
        "another": np.concatenate([second.values for _, second in samples]) / 255,
    }
    deviations = np.concatenate([imputer.uncertainty(items).values for items in masked]) / 255
    ticks = [tick for restored in filled for tick in ("", restored.label, "")]
    image = context.save(
        "filling",
        std_rows("Hidden pixels, and what they may have been", rows, deviations, ticks),
        alt="Nine digits in six rows: the originals; with a block, three quarters of the pixels or strokes hidden, in "
        "orange; filled; two samples that differ where much is hidden; and standard deviations, largest at edges in "
        "the blocks.",
        caption="Orange is hidden. The filled values are the best on average, and so they are grey where there might "
        "be ink or paper; a sample has to decide. The last row says how far off the filled values may be.",
    )
    return Section(
        "Imputation",
        [
            "Hide part of a digit, tell the network which part, and have it predicted. One imputer learns from all "
            "kinds of masks in turn; observed pixels stay as they are, bit for bit.",
            "Before: the mean digit in place of the hidden pixels. The errors are those of the hidden pixels alone.",
            image,
            restoration_table(filled),
        ],
    )


def overview(context: DemoContext) -> ImageFile:
    """Save originals above reconstructions, the image at the top of the page."""
    shown = (
        context.find(name, code) for name, code in (("linear", 32), ("conv, transpose", 196), ("conv, nearest", 196))
    )
    return context.save(
        "overview",
        item_rows("Test digits and their reconstructions", rows_of(context, *shown)),
        alt="The test digits 0 to 9 above their reconstructions: somewhat blurred by the linear autoencoder, closest "
        "to the originals by the convolutional ones.",
        caption="Digits that no model has seen in training, and their reconstructions.",
    )


def rows_of(context: DemoContext, *results: Result) -> dict[str, np.ndarray]:
    """Return the originals and reconstructions by label."""
    return {"original": context.originals, **{result.label: result.examples for result in results}}


def fade(pair: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Interpolate linearly from pair[0] to pair[1]: (len(shares), *shape)."""
    shares = shares.reshape(-1, *(1 for _ in pair.shape[1:]))
    return np.asarray((1 - shares) * pair[0] + shares * pair[1], np.float32)


SECTIONS: tuple[Callable[[DemoContext], Section], ...] = (
    linear,
    convolutional,
    training,
    upsampling,
    interpolation,
    compression,
    denoising,
    imputation,
)
