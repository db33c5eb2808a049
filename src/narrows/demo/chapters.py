"""The chapters of the tour, in order. To add one, write a function from the workshop to a Chapter and list it below.

A chapter trains what it needs, and may use what earlier ones left in `workshop.results`. It says how long it trains
in SECONDS, so that the whole tour keeps its time.
"""

from collections.abc import Callable

import numpy as np

from narrows.demo import untrained
from narrows.demo.chapter import Chapter, Picture
from narrows.demo.workshop import BLOCK, Workshop, label, with_blocks, with_noise
from narrows.estimators.imputer import missing
from narrows.render import figures

SECONDS = {
    "linear": 15.0,
    "conv-nearest": 45.0,
    "conv-transpose": 45.0,
    "lesson-transpose": 30.0,
    "conv-32": 35.0,
    "codec": 50.0,
    "denoiser": 45.0,
    "denoiser-lesson": 15.0,
    "denoiser-blind": 45.0,
    "imputer": 45.0,
}


def linear(workshop: Workshop) -> Chapter:
    plain, clipped = workshop.compare_pca(32)
    result = workshop.train("linear", "linear", SECONDS["linear"], architecture="linear", code=32)
    picture = workshop.save(
        "linear",
        figures.item_rows(
            "Through 32 numbers, linearly",
            {"original": workshop.originals, label(clipped): clipped.examples, label(result): result.examples},
        ),
        alt="Three rows of the digits 0 to 9: the originals, blurred ones with grey shadows from PCA, and those of "
        "the linear autoencoder, with fewer shadows.",
        caption="PCA adds and subtracts whole pictures, which leaves grey shadows around the strokes. The sigmoid "
        "presses them down to the colour of the paper.",
    )
    return Chapter(
        "A linear autoencoder beside PCA",
        (
            "A digit has 28 x 28 = 784 pixels. The smallest autoencoder squeezes them through 32 numbers, the code: "
            "one linear layer from 784 to 32, one from 32 back to 784, and a sigmoid that keeps every pixel between "
            "0 and 1.",
            "Principal component analysis (PCA) is the best that a linear layer each way can do with nothing after "
            f"it. Fitted on the same digits it has a test error of {plain.mse:.4f}, or {clipped.mse:.4f} with values "
            f"below 0 and above 1 clipped. The autoencoder has {result.mse:.4f}: most pixels are all paper or all "
            "ink, and a sigmoid can say so.",
        ),
        (picture,),
        (plain, clipped, result),
    )


def convolutional(workshop: Workshop) -> Chapter:
    plain, clipped = workshop.compare_pca(196)
    wide = [
        workshop.train(key, name, SECONDS[key], architecture="conv", code="4x7x7", **options)
        for key, name, options in (
            ("conv-nearest", "conv, nearest", {"upsampling": "nearest"}),
            ("conv-transpose", "conv, transpose", {"upsampling": "transpose"}),
            ("lesson-transpose", "lesson's conv", {"upsampling": "transpose", "preset": "lesson"}),
        )
    ]
    narrow = workshop.train("conv-32", "conv, nearest", SECONDS["conv-32"], architecture="conv", code=32)
    picture = workshop.save(
        "convolutional",
        figures.difference_rows(
            "Through 196 numbers: what is lost",
            workshop.originals,
            {label(result): result.examples for result in (clipped, *wide)},
        ),
        alt="The test digits 0 to 9, and below them the errors of PCA and of three convolutional autoencoders, orange "
        "where there is too much ink and violet where there is too little.",
        caption="Orange pixels came back with too much ink, violet ones with too little. The fainter a row, the "
        "better; what is left sits on the edges of the strokes.",
    )
    return Chapter(
        "Convolutions",
        (
            "A convolutional encoder slides small filters over the picture and halves it twice, down to 4 channels of "
            "7 x 7: 196 numbers. The decoder doubles it twice on the way back, by repeating each value and convolving "
            "(nearest) or by a transposed convolution (transpose).",
            "The lesson's network is the small one that courses begin with: two convolutions with max pooling, and two "
            "transposed convolutions whose kernels do not overlap. The other two have more layers. PCA with 196 "
            f"numbers has an error of {plain.mse:.4f}, clipped {clipped.mse:.4f}.",
            "Convolutions can also end in a short code, through one more linear layer. With 32 numbers, as many as the "
            f"linear autoencoder has, the error is {narrow.mse:.4f} beside its {workshop.results['linear'].mse:.4f}.",
        ),
        (picture,),
        (plain, clipped, *wide, narrow),
    )


def training_curves(workshop: Workshop) -> Chapter:
    trained = [result for result in workshop.results.values() if result.model is not None]
    picture = workshop.save(
        "training",
        figures.training_curves(
            "Error over training time",
            {f"{result.name}, code {result.code}": result.model.history_ for result in trained},
            {f"PCA-{code}, clipped": workshop.results[f"pca-{code}"].mse for code in (32, 196)},
        ),
        alt=f"Falling curves of the error on held-out digits over seconds of training, for {len(trained)} models, with "
        "lines at the errors of PCA.",
        caption="The vertical axis is logarithmic: each grid line is about half of the one above. Most is won in the "
        "first seconds; the last gains come as the learning rate falls to zero.",
    )
    return Chapter(
        "How they learn",
        (
            "Some training digits are held out: the networks do not learn from them, and the error on them decides "
            "which weights are kept. Each model is given a time, and its learning rate rises and falls to fit.",
        ),
        (picture,),
    )


def upsampling(workshop: Workshop) -> Chapter:
    kinds = list(untrained.KINDS)
    picture = workshop.save(
        "upsampling",
        figures.upsampling_kinds(
            "Untrained layers that double a patch",
            {kind: untrained.overlap(kind) for kind in kinds},
            {kind: untrained.ripple(kind) for kind in kinds},
            {kind: untrained.average(kind, workshop.originals[3]) for kind in kinds},
        ),
        alt="Six kinds of upsampling. Top row: counts of weights, equal everywhere but for transpose with kernel 3 and "
        "unpool, which have 1, 2 and 4. Middle: a flat patch stays flat with nearest and bilinear and becomes a "
        "regular pattern with the others. Bottom: a digit, with a checkerboard for transpose with kernel 3.",
        caption="Top: where the counts differ, some pixels are louder than others before anything is learnt. Middle: "
        "one layer with random weights on a patch that is the same everywhere; orange is above the mean, violet below. "
        "Bottom: a digit of half the size through 256 such layers, root mean square.",
    )
    return Chapter(
        "What upsampling does to a patch",
        (
            "A decoder has to make its grid larger, and some ways to do so print a pattern on whatever they enlarge: "
            "the checkerboard. It shows best before training, which then has to work against it. (A. Odena, "
            "V. Dumoulin, C. Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016.)",
        ),
        (picture,),
        points=(
            ("nearest", "Each value is repeated, then convolved: what is flat stays flat, whatever the weights."),
            ("bilinear", "Values are interpolated, then convolved: flat stays flat, and steps become slopes."),
            ("transpose, kernel 3", "3 is no multiple of the stride 2: pixels get 1, 2 or 4 weights by turns."),
            (
                "transpose, kernel 4",
                "All pixels get 4 weights, but the 2 x 2 of a cell each have their own to balance.",
            ),
            ("pixel shuffle", "Four channels become the 2 x 2 pixels of a cell: as many weights each, yet their own."),
            ("unpool", "Values go where the encoder met the maxima, zeros elsewhere: sharp edges, and gaps to fill."),
        ),
    )


def interpolation(workshop: Workshop) -> Chapter:
    first, second, shares = 2, 7, np.linspace(0, 1, 11)
    rows = {"fading\npixels": fade(workshop.originals[[first, second]], shares)}
    for key in ("linear", "conv-32", "conv-nearest"):
        result = workshop.results[key]
        codes = result.model.transform(workshop.examples.select([first, second]))
        rows[f"{result.name}\n{result.code} numbers"] = result.model.inverse_transform(fade(codes, shares)) / 255
    picture = workshop.save(
        "interpolation",
        figures.item_rows("From one digit to another", rows, [f"{t:.1f}" for t in shares], "share of the second digit"),
        alt=f"Four rows of pictures that lead from a {first} to a {second}: by fading pixels, and through the codes of "
        "three models.",
        caption="Fading pixels shows both digits at once, like a photograph exposed twice. The short convolutional "
        "code bends one into the other; a code on a grid has places of its own, and fades more.",
    )
    return Chapter(
        "Between two digits",
        ("Encode two digits, walk from one code to the other in a straight line, and decode the codes on the way.",),
        (picture,),
    )


def compression(workshop: Workshop) -> Chapter:
    codec = workshop.train_codec(SECONDS["codec"])
    rates, rows = workshop.without_learning(), {"original": workshop.originals}
    for name, mode in (
        ("codec, lossless", {"lossless": True}),
        ("codec, quality 35", {"quality": 35}),
        ("codec, quality 20", {"quality": 20}),
        ("codec, quality 5", {"quality": 5}),
    ):
        rate, examples = workshop.compress(codec, name, **mode)
        rates.append(rate)
        if "quality" in mode:
            rows[f"{name.removeprefix('codec, ')}\n{rate.bytes:.0f} bytes\n{rate.quality}"] = examples
    picture = workshop.save(
        "compression",
        figures.item_rows("Digits at three rates", rows),
        alt="The digits 0 to 9 as they are, and from compressed files at three rates: hardly any different, somewhat "
        "coarser at the edges, and in few shades of grey.",
        caption="Bytes are those of the whole file of test digits, shared among them. The model is not counted: both "
        "sides have it.",
    )
    return Chapter(
        "From code to file",
        (
            "A code of numbers is not yet a file. The codec quantises the pixels themselves, the more coarsely the "
            "lower the quality, and predicts each from those that are known already: first a few scattered over the "
            "picture, then those between. What is likely takes few bits, what is certain next to none.",
            "On the way back a small network guesses where in its step each pixel lay. Without loss every pixel comes "
            "back as it was, on every machine.",
        ),
        (picture,),
        rates=tuple(rates),
    )


def denoising(workshop: Workshop) -> Chapter:
    noise = "gaussian:0.5"
    training, noisy = with_noise(workshop.training, noise, seed=1), with_noise(workshop.test, noise, seed=2)
    denoised, lesson, blind = (
        workshop.denoise(key, name, SECONDS[key], items, noisy, **options)
        for key, name, items, options in (
            ("denoiser", "denoiser", workshop.training, {"noise": noise}),
            ("denoiser-lesson", "lesson's denoiser", workshop.training, {"noise": noise, "preset": "lesson"}),
            ("denoiser-blind", "without clean data", training, {}),
        )
    )
    rows = {"clean": workshop.originals, f"noisy\nMSE {denoised.before:.4f}": noisy.values[workshop.shown] / 255}
    for restored in (lesson, denoised, blind):
        rows[f"{restored.name}\nMSE {restored.after:.4f}"] = restored.examples
    picture = workshop.save(
        "denoising",
        figures.item_rows("Digits under noise, and after it", rows),
        alt="Five rows of the digits 0 to 9: clean; hardly to be seen under noise; and as three denoisers give them "
        "back, very blurred by the lesson's, clear by the others.",
        caption="All three see the noisy row alone. The last has never seen a clean digit, in training either.",
    )
    return Chapter(
        "Taking noise away",
        (
            "Take the narrow place away, spoil what goes in, and ask for what it was: the network has to know digits "
            "to tell strokes from noise. Here noise with a standard deviation of half the range is added to each "
            "pixel, and what leaves 0 to 1 is clipped. Skip connections lead from the encoder to the decoder past the "
            "narrow middle; the lesson's denoiser has none.",
            "Clean examples are not needed where the noise of a pixel says nothing about that of the next. The "
            "last denoiser is shown noisy digits with one pixel in four hidden, and guesses what those hold. It can "
            "learn the digit, which goes on from pixel to pixel, and cannot learn the noise, which does not.",
        ),
        (picture,),
        restored=(denoised, lesson, blind),
    )


def filling(workshop: Workshop) -> Chapter:
    imputer = workshop.train_imputer("imputer", SECONDS["imputer"])
    kinds = {
        f"a block of {BLOCK} x {BLOCK}": with_blocks(workshop.test, seed=0),
        "75 % of the pixels": imputer.with_holes(workshop.test, "pixels:0.75"),
        "strokes": imputer.with_holes(workshop.test, "strokes"),
    }
    all_filled = [workshop.fill("imputer", name, imputer, given) for name, given in kinds.items()]
    columns = (4, 5, 8)
    given = [items.select([workshop.shown[digit] for digit in columns]) for items in kinds.values()]
    drawn = [imputer.sample(items, 2) for items in given]
    originals = workshop.originals[list(columns)]
    rows = {
        "original": np.concatenate([originals] * len(given)),
        "hidden": np.concatenate([np.where(missing(items), np.nan, originals) for items in given]),
        "filled": np.concatenate([restored.examples[list(columns)] for restored in all_filled]),
        "one guess": np.concatenate([first.values for first, _ in drawn]) / 255,
        "another": np.concatenate([second.values for _, second in drawn]) / 255,
    }
    deviations = np.concatenate([imputer.uncertainty(items).values for items in given]) / 255
    ticks = [words for restored in all_filled for words in ("", f"{restored.name}\nMSE {restored.after:.4f}", "")]
    picture = workshop.save(
        "filling",
        figures.doubt_rows("Holes, and what may have been there", rows, deviations, ticks),
        alt="Nine digits in six rows: the originals; with a block, three quarters of the pixels or strokes hidden, in "
        "orange; filled; two guesses that differ where much is hidden; and deviations, largest at edges in the blocks.",
        caption="Orange is hidden. What is filled in is best on average, and so it is grey where it might be ink or "
        "paper; a guess has to decide. The last row says how far off the filling may be.",
    )
    return Chapter(
        "Filling in",
        (
            "Hide part of a digit, tell the network which part, and ask for it. One imputer learns from all kinds of "
            "holes by turns; what is known stays as it is, bit for bit.",
            "Before: the mean digit stands in the holes. The errors are those of the hidden pixels alone.",
        ),
        (picture,),
        restored=tuple(all_filled),
    )


def fade(pair: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """From pair[0] to pair[1] in a straight line: (len(shares), *shape)."""
    shares = shares.reshape(-1, *(1 for _ in pair.shape[1:]))
    return ((1 - shares) * pair[0] + shares * pair[1]).astype(np.float32)


def cover(workshop: Workshop) -> Picture:
    """Originals above what models make of them: the picture that stands for the whole tour."""
    shown = [workshop.results[key] for key in ("linear", "conv-transpose", "conv-nearest")]
    return workshop.save(
        "overview",
        figures.item_rows(
            "Test digits, and what comes back",
            {"original": workshop.originals, **{label(result): result.examples for result in shown}},
        ),
        alt="The test digits 0 to 9 above their reconstructions: somewhat blurred by the linear autoencoder, closest "
        "to the originals by the convolutional ones.",
        caption="Digits that no model has seen in training, as they are and as they come back.",
    )


CHAPTERS: tuple[Callable[[Workshop], Chapter], ...] = (
    linear,
    convolutional,
    training_curves,
    upsampling,
    interpolation,
    compression,
    denoising,
    filling,
)
