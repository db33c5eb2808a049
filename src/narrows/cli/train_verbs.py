"""Learn a model from data."""

import math
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar, Union

import typer

from narrows.cli import options
from narrows.cli.inputs import check_file, read_items
from narrows.cli.messages import say, size
from narrows.cli.restoration_verbs import check_corruption, parse_missing
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.estimators.autoencoder import Autoencoder
    from narrows.estimators.codec import Codec
    from narrows.estimators.denoiser import Denoiser
    from narrows.estimators.imputer import Imputer

Learner = TypeVar("Learner", bound=Union["Autoencoder", "Codec", "Denoiser", "Imputer"])


def autoencoder(
    context: typer.Context,
    source: options.Data,
    output: options.NewModel,
    architecture: Annotated[
        Literal["auto", "linear", "dense", "conv"],
        typer.Option(help="auto: conv where there are spatial axes, dense for tables."),
    ] = "auto",
    code: Annotated[
        str | None,
        typer.Option(
            metavar="K|CxYxX",
            help="Size of the code: 32, or channels and grid such as 4x7x7; chosen by the size of the items.",
        ),
    ] = None,
    upsampling: Annotated[
        Literal["nearest", "bilinear", "transpose", "pixelshuffle", "unpool"],
        typer.Option(help="How a convolutional decoder doubles its grid."),
    ] = "nearest",
    preset: options.Preset = "default",
    loss: Annotated[Literal["mse", "mae", "bce"], typer.Option(help="What training makes small.")] = "mse",
    minutes: options.Minutes = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    axes: options.Axes = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    resume: options.Resume = False,
    strict: options.Strict = False,
) -> None:
    """Learn to squeeze items into a short code and to rebuild them.

    \b
    Ctrl-C stops cleanly: the best model so far is written, and --resume goes on.

    \b
    Example:
      narrows train autoencoder mnist -o m.safetensors --code 4x7x7 --minutes 3
      narrows train autoencoder people.parquet -o ae.safetensors --code 8
    """

    def untrained() -> "Autoencoder":
        from narrows import Autoencoder

        return Autoencoder(
            architecture=architecture,
            code=code,
            upsampling=upsampling,
            preset=preset,
            loss=loss,
            minutes=minutes,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            axes=axes,
            device=device,
            random_state=seed,
            verbose=sys.stderr.isatty(),
        )

    check_budget(minutes, epochs)
    learn(untrained, summary, source, output, axes, strict, resume, context.obj)


def codec(
    context: typer.Context,
    source: options.Data,
    output: options.NewModel,
    minutes: options.Minutes = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    axes: options.Axes = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    resume: options.Resume = False,
    strict: options.Strict = False,
) -> None:
    """Learn what items have in common, to compress their like.

    \b
    Ctrl-C stops cleanly: the best model so far is written, and --resume goes on.

    \b
    Example:
      narrows train codec mnist -o m.safetensors --minutes 5
    """

    def untrained() -> "Codec":
        from narrows import Codec

        return Codec(
            minutes=minutes,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            axes=axes,
            device=device,
            random_state=seed,
            verbose=sys.stderr.isatty(),
        )

    check_budget(minutes, epochs)
    learn(untrained, codec_summary, source, output, axes, strict, resume, context.obj)


def denoiser(
    context: typer.Context,
    source: options.Data,
    output: options.NewModel,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:S",
            help="Noise to add to clean data: gaussian:0.5, or gaussian:0.1-0.5 for a range; poisson:30, "
            "salt-pepper:0.1, speckle:0.2, blur:1.5; several joined by +.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="CLEAN", help="What the items of noisy data should be: clean, or as noisy once more."),
    ] = None,
    clip: Annotated[
        bool | None,
        typer.Option(
            "--clip/--no-clip", help="Whether noisy values are clipped to the range of the data; yes where it has one."
        ),
    ] = None,
    preset: options.Preset = "default",
    minutes: options.Minutes = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    axes: options.Axes = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    resume: options.Resume = False,
    strict: options.Strict = False,
) -> None:
    """Learn to take noise away: from clean data, from pairs, or from noisy data alone.

    \b
    With --noise, DATA is clean, and noise of this strength is added in training: 1
    is the width of the range of the data, or their deviation. With --target, DATA
    is noisy and CLEAN is what it should be. With neither, DATA is noisy and nothing
    clean is needed, where the noise of a value says nothing about that of the next.
    Ctrl-C stops cleanly: the best model so far is written, and --resume goes on.

    \b
    Example:
      narrows train denoiser mnist -o den.safetensors --noise gaussian:0.5
    """
    check_budget(minutes, epochs)
    check_corruption(noise=noise, target=target)

    def untrained() -> "Denoiser":
        from narrows import Denoiser

        return Denoiser(
            noise=noise,
            clip=clip,
            preset=preset,
            minutes=minutes,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            axes=axes,
            device=device,
            random_state=seed,
            verbose=sys.stderr.isatty(),
        )

    learn(untrained, restorer_summary, source, output, axes, strict, resume, context.obj, target)


def imputer(
    context: typer.Context,
    source: options.Data,
    output: options.NewModel,
    holes: Annotated[
        str,
        typer.Option(
            metavar="KIND:SHARE",
            help="What is hidden in training: pixels:0.5, blocks:0.25, lines, strokes, channels, several joined by +; "
            "mixed: by turns all of them.",
        ),
    ] = "mixed",
    missing: options.Missing = None,
    preset: options.Preset = "default",
    minutes: options.Minutes = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    axes: options.Axes = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    resume: options.Resume = False,
    strict: options.Strict = False,
) -> None:
    """Learn to fill holes, from data with or without holes of their own.

    \b
    Ctrl-C stops cleanly: the best model so far is written, and --resume goes on.

    \b
    Example:
      narrows train imputer mnist -o fill.safetensors --holes pixels:0.75
    """
    check_budget(minutes, epochs)
    check_corruption(holes=holes)
    marks = parse_missing(missing)

    def untrained() -> "Imputer":
        from narrows import Imputer

        return Imputer(
            holes=holes,
            missing_values=math.nan if marks is None else marks,
            preset=preset,
            minutes=minutes,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            axes=axes,
            device=device,
            random_state=seed,
            verbose=sys.stderr.isatty(),
        )

    learn(untrained, restorer_summary, source, output, axes, strict, resume, context.obj)


def check_budget(minutes: float | None, epochs: int | None) -> None:
    if minutes is not None and epochs is not None:
        raise ParameterError("--minutes and --epochs: give one budget, not both")


def learn(
    untrained: Callable[[], Learner],
    summarise: Callable[[Learner], str],
    source: str,
    output: str,
    axes: str | None,
    strict: bool,
    resume: bool,
    arguments: list[str],
    target: str | None = None,
) -> None:
    """Train a model on DATA, save it, and say so, with a checkpoint beside it until it is complete.

    untrained: gives the estimator, once the data can be read. summarise: a finished training in one line.
    arguments: the command line, to say how to go on. target: what the items of DATA should be, for a tool that learns
    from pairs.
    """
    check_file(output, (".safetensors",))
    checkpoint = Path(f"{output}.checkpoint")
    if resume and not checkpoint.exists():
        raise DataError(
            f"{checkpoint}: there is no such checkpoint to go on from (a run that ended leaves none); "
            "leave out --resume to begin anew"
        )
    if checkpoint.exists() and not resume:
        say(f"{checkpoint}: left by a run that was stopped, and now replaced; --resume would have gone on with it")
    items = read_items(source, axes, strict)
    right = None if target is None else read_items(target, axes, strict)
    model = untrained()
    go_on = shlex.join(["narrows", *arguments, *([] if resume else ["--resume"])])
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: say(str(message))
            model.fit(items, right, checkpoint=checkpoint, resume=resume)
    except KeyboardInterrupt:
        stop(model, output, checkpoint, go_on)
    save(model, output, go_on)
    checkpoint.unlink(missing_ok=True)
    from narrows.render.terminal import show_glimpse, show_history

    print(f"{output}: {size(Path(output).stat().st_size)}; {summarise(model)}")
    show_history(model.history_)
    show_glimpse(model, items, **({} if right is None else {"target": right}))


def stop(model: Learner, output: str, checkpoint: Path, go_on: str) -> NoReturn:
    """Keep what a run has learnt until it was stopped, say how to go on, and exit."""
    if not checkpoint.exists():
        raise KeyboardInterrupt
    if hasattr(model, "training_"):
        save(model, output, go_on)
        say(f"stopped; {output} is the best model so far; to go on: {go_on}")
    else:
        say(f"stopped without a model; to go on: {go_on}")
    raise typer.Exit(1)


def save(model: Learner, output: str, go_on: str) -> None:
    """Write the model; where that fails, the checkpoint holds what was learnt."""
    try:
        model.save(output)
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror}); nothing is lost, to go on: {go_on}") from None


def codec_summary(model: "Codec") -> str:
    facts = model.training_
    return f"{facts['items']} items in {facts['seconds']:.1f} s; held-out loss {facts['held_out_loss']:.4g}"


def summary(model: "Autoencoder") -> str:
    from narrows.networks import format_code

    facts, loss = model.training_, model.loss
    code = format_code(model.network_.architecture.code)
    psnr = ""
    if loss == "mse" and model.scaling_.is_range and facts["held_out_loss"] > 0:
        psnr = f" ({-10 * math.log10(facts['held_out_loss']):.2f} dB)"
    return (
        f"code {code} for {model.n_features_in_} values; {facts['items']} items in {facts['seconds']:.1f} s; "
        f"held-out {loss} {facts['held_out_loss']:.4g}{psnr}, the mean of the data has {facts['mean_loss']:.4g}"
    )


def restorer_summary(model: "Denoiser | Imputer") -> str:
    """A finished training of a tool that restores, in one line."""
    facts = model.training_
    learnt, found = facts["held_out_loss"], facts["within"]
    line = f"{facts['items']} items in {facts['seconds']:.1f} s; "
    if not model.item_axes_.strip("NCF"):
        within = (
            ""
            if found is None
            else f"; {found[0]:.1%} of numbers within one stated deviation, {found[1]:.1%} within two"
        )
        return f"{line}held-out loss {learnt:.4g}, the mean and most frequent have {facts['mean_loss']:.4g}{within}"
    if found is None:
        return (
            f"{line}learnt from noisy items alone; held-out surprise {learnt:.4g}, "
            f"one distribution for every value has {facts['mean_loss']:.4g}"
        )
    psnr = f" ({-10 * math.log10(learnt):.2f} dB)" if model.scaling_.is_range and learnt > 0 else ""
    noisy = "" if facts["noisy_loss"] is None else f", the noisy items {facts['noisy_loss']:.4g}"
    return (
        f"{line}held-out mse {learnt:.4g}{psnr}, the mean of the data has {facts['mean_loss']:.4g}{noisy}; "
        f"{found[0]:.1%} of values within one stated deviation, {found[1]:.1%} within two"
    )
