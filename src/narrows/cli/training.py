"""Learn a model from data."""

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from narrows.cli import options
from narrows.cli.files import check_file, read_items
from narrows.cli.messages import WrongUsage, say, size
from narrows.errors import DataError, NarrowsError

if TYPE_CHECKING:
    from narrows.tools.autoencoder import Autoencoder


def autoencoder(
    context: typer.Context,
    source: options.Data,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="M.safetensors", show_default=False, help="Where the model goes."),
    ],
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
    minutes: Annotated[float | None, typer.Option(help="Budget of training in minutes, kept by the clock.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Budget of training in epochs; chosen by the size of the data.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Items in a step; chosen by architecture and data.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Chosen by architecture.")] = None,
    axes: options.Axes = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Repeats a run, within a budget of epochs.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: the GPU where there is one.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped; the other options stay the same.")
    ] = False,
    strict: options.Strict = False,
) -> None:
    """Learn to squeeze items into a short code and to rebuild them.

    \b
    Ctrl-C stops cleanly: the best model so far is written, and --resume goes on.

    \b
    Example:
      narrows train autoencoder mnist -o m.safetensors --code 4x7x7 --minutes 3
    """
    if minutes is not None and epochs is not None:
        raise WrongUsage("--minutes and --epochs: give one budget, not both")
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

    from narrows import Autoencoder

    model = Autoencoder(
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
    go_on = shlex.join(["narrows", *context.obj, *([] if resume else ["--resume"])])
    try:
        model.fit(items, checkpoint=checkpoint, resume=resume)
    except KeyboardInterrupt:
        stop(model, output, checkpoint, go_on)
    except ValueError as error:
        raise error if isinstance(error, NarrowsError) else WrongUsage(str(error)) from None
    save(model, output, go_on)
    checkpoint.unlink(missing_ok=True)
    print(f"{output}: {size(Path(output).stat().st_size)}; {summary(model, loss)}")


def stop(model: "Autoencoder", output: str, checkpoint: Path, go_on: str) -> NoReturn:
    """Keep what a run has learnt until it was stopped, say how to go on, and exit."""
    if not checkpoint.exists():
        raise KeyboardInterrupt
    if hasattr(model, "network_"):
        save(model, output, go_on)
        say(f"stopped; {output} is the best model so far; to go on: {go_on}")
    else:
        say(f"stopped without a model; to go on: {go_on}")
    raise typer.Exit(1)


def save(model: "Autoencoder", output: str, go_on: str) -> None:
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
