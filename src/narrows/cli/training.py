"""Learn a model from data."""

import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar, Union

import typer

from narrows.cli import options
from narrows.cli.files import check_file, read_items
from narrows.cli.messages import WrongUsage, say, size
from narrows.errors import DataError, NarrowsError

if TYPE_CHECKING:
    from narrows.tools.autoencoder import Autoencoder
    from narrows.tools.codec import Codec

Learner = TypeVar("Learner", bound=Union["Autoencoder", "Codec"])


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
    preset: Annotated[
        Literal["default", "lesson"], typer.Option(help="lesson: the small networks of the classic lesson.")
    ] = "default",
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
    model = learn(untrained, source, output, axes, strict, resume, context.obj)
    print(f"{output}: {size(Path(output).stat().st_size)}; {summary(model, loss)}")


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
    model = learn(untrained, source, output, axes, strict, resume, context.obj)
    facts = model.training_
    print(
        f"{output}: {size(Path(output).stat().st_size)}; {facts['items']} items in {facts['seconds']:.1f} s; "
        f"held-out loss {facts['held_out_loss']:.4g}"
    )


def check_budget(minutes: float | None, epochs: int | None) -> None:
    if minutes is not None and epochs is not None:
        raise WrongUsage("--minutes and --epochs: give one budget, not both")


def learn(
    untrained: Callable[[], Learner],
    source: str,
    output: str,
    axes: str | None,
    strict: bool,
    resume: bool,
    arguments: list[str],
) -> Learner:
    """A model trained on DATA and saved, with a checkpoint beside it until it is complete.

    untrained: gives the estimator, once the data can be read. arguments: the command line, to say how to go on.
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
    model = untrained()
    go_on = shlex.join(["narrows", *arguments, *([] if resume else ["--resume"])])
    try:
        model.fit(items, checkpoint=checkpoint, resume=resume)
    except KeyboardInterrupt:
        stop(model, output, checkpoint, go_on)
    except ValueError as error:
        raise error if isinstance(error, NarrowsError) else WrongUsage(str(error)) from None
    save(model, output, go_on)
    checkpoint.unlink(missing_ok=True)
    return model


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


def summary(model: "Autoencoder", loss: str) -> str:
    """A finished training in one line."""
    from narrows.networks import format_code

    facts = model.training_
    code = format_code(model.network_.architecture.code)
    psnr = ""
    if loss == "mse" and model.scaling_.ranged and facts["held_out_loss"] > 0:
        psnr = f" ({-10 * math.log10(facts['held_out_loss']):.2f} dB)"
    return (
        f"code {code} for {model.n_features_in_} values; {facts['items']} items in {facts['seconds']:.1f} s; "
        f"held-out {loss} {facts['held_out_loss']:.4g}{psnr}, the mean of the data has {facts['mean_loss']:.4g}"
    )
