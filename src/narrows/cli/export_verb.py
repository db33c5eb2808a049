"""Export models for other programs."""

from typing import Annotated, Literal

import typer

from narrows.cli import options
from narrows.cli.inputs import load_tool
from narrows.cli.outputs import check_file


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", show_default=False, help="A model file (.safetensors), or the name of a ready-made model."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="M.onnx", show_default=False, help="The ONNX file to write.")
    ],
    part: Annotated[Literal["encoder", "decoder"] | None, typer.Option(help="Which part of an autoencoder.")] = None,
    force: options.Force = False,
) -> None:
    """Write a model as ONNX, which runs without narrows and torch.

    \b
    Needs the extra onnx. Batches have any number of items of any size, unless the
    code of an autoencoder is flat. The metadata hold the scaling and the axes.

    \b
    Examples:
      narrows export den.safetensors -o den.onnx
      narrows export photo-denoiser-colour -o den.onnx
      narrows export m.safetensors -o encoder.onnx --part encoder
    """
    check_file(output, (".onnx",), force)

    from narrows.ready import find_ready_model, is_ready_name

    if is_ready_name(model):
        model = str(find_ready_model(model).path)
    trained = load_tool(model, "export", "autoencoder", "denoiser", "imputer")

    from narrows.errors import DataError
    from narrows.models.onnx_export import export_onnx

    try:
        export_onnx(trained, output, part)
    except DataError as error:
        error.source = error.source or model
        raise
