"""The tools, by name. A new tool is one entry below, or one call of `register_tool` from outside the package.

Everything a tool consists of is named as ``"module:object"`` and imported when it is needed, so that this module costs
nothing and any other may import it.

Another distribution adds tools, formats, corruptions or upsampling kinds by an entry point of the group
``narrows.plugins``: it names a module that registers them when it is imported, or a function that does so when it is
called.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLUGIN_GROUP = "narrows.plugins"


@dataclass(frozen=True)
class ToolSpec:
    """What a tool consists of; each reference is ``"module:object"``.

    Parameters
    ----------
    name : str
        The tool's name in model files and after ``narrows train``.
    estimator : str
        The scikit-learn estimator. The parameters of its constructor become the options of ``narrows train NAME``: the
        "Parameters" section of its docstring gives their types and help (the first sentence of each description).
    model : str
        The trained model: a subclass of `narrows.models.TrainedModel`.
    examples : tuple of str
        Command lines for ``narrows train NAME --help``.
    target : str, optional
        Help of the option ``--target``, for an estimator whose ``fit(X, y)`` learns from pairs of items.
    takes_tables : bool
        Whether the tool takes tables, so that ``narrows train NAME`` has the options of reading a CSV.
    python_only : tuple of str
        Parameters of the constructor that are no options of ``narrows train``.
    describe : str, optional
        ``describe(document) -> rows``, what ``narrows info`` says about models of this tool alone. The document is that
        of a model file, or the identity of a checkpoint.
    evaluate : str, optional
        ``evaluate(model, items, **options) -> Evaluation``, which ``narrows evaluate`` calls.
    evaluate_options : tuple of str
        The options of ``narrows evaluate`` that `evaluate` takes, of ``noise``, ``target``, ``holes``, ``labels`` and
        ``tta``.
    report : str, optional
        ``sections(context: ReportContext) -> ToolReport``, the sections of ``narrows report``.
    viewer : str, optional
        The tab of ``narrows view``.
    verbs : mapping
        Further verbs of the command line, by name: functions as `typer` takes them.

    Examples
    --------
    >>> from narrows.registry import ToolSpec, tools
    >>> tools()["denoiser"].estimator
    'narrows.estimators.denoiser:Denoiser'
    """

    name: str
    estimator: str
    model: str
    examples: tuple[str, ...] = ()
    target: str | None = None
    takes_tables: bool = False
    python_only: tuple[str, ...] = ()
    describe: str | None = None
    evaluate: str | None = None
    evaluate_options: tuple[str, ...] = ()
    report: str | None = None
    viewer: str | None = None
    verbs: Mapping[str, str] = field(default_factory=dict)


_TOOLS: dict[str, ToolSpec] = {}
_plugins_loaded = False


def register_tool(spec: ToolSpec) -> None:
    """Add a tool, or replace the one of that name."""
    _TOOLS[spec.name] = spec


def tools() -> dict[str, ToolSpec]:
    """Return all tools by name, those of plugins included."""
    load_plugins()
    return dict(_TOOLS)


def load_plugins() -> None:
    """Load the entry points of the group ``narrows.plugins``, once.

    A plugin that fails to load gives a warning, and everything else goes on working.
    """
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGIN_GROUP):
        try:
            plugin = point.load()
            if callable(plugin):
                plugin()
        except Exception as error:
            warnings.warn(f"plugin {point.name} ({point.value}): {type(error).__name__}: {error}", stacklevel=2)


def resolve(reference: str) -> Any:
    """Import the object that ``"module:object"`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


for _spec in (
    ToolSpec(
        name="autoencoder",
        estimator="narrows.estimators.autoencoder:Autoencoder",
        model="narrows.models.autoencoder_model:AutoencoderModel",
        describe="narrows.artifacts.description:describe_autoencoder",
        examples=(
            "narrows train autoencoder mnist -o m.safetensors --code 4x7x7 --minutes 3",
            "narrows train autoencoder people.parquet -o ae.safetensors --code 8",
        ),
        takes_tables=True,
        evaluate="narrows.evaluation.reconstruction_evaluation:evaluate",
        evaluate_options=("labels",),
        report="narrows.report.autoencoder_sections:sections",
        viewer="narrows.viewer.autoencoder_tab:AutoencoderTab",
        verbs={"encode": "narrows.cli.feature_verbs:encode", "decode": "narrows.cli.feature_verbs:decode"},
    ),
    ToolSpec(
        name="codec",
        estimator="narrows.estimators.codec:Codec",
        model="narrows.codec.model:CodecModel",
        describe="narrows.artifacts.description:describe_codec",
        examples=("narrows train codec mnist -o m.safetensors --minutes 5",),
        report="narrows.report.codec_sections:sections",
        viewer="narrows.viewer.codec_tab:CodecTab",
        verbs={
            "pack": "narrows.cli.pack_verb:pack",
            "unpack": "narrows.cli.pack_verb:unpack",
            "compress": "narrows.cli.codec_verbs:compress",
            "decompress": "narrows.cli.codec_verbs:decompress",
            "preview": "narrows.cli.codec_verbs:preview",
        },
    ),
    ToolSpec(
        name="denoiser",
        estimator="narrows.estimators.denoiser:Denoiser",
        model="narrows.models.denoiser_model:DenoiserModel",
        describe="narrows.artifacts.description:describe_denoiser",
        examples=(
            "narrows train denoiser mnist -o den.safetensors --noise gaussian:0.5",
            "narrows train denoiser noisy/ -o den.safetensors --target clean/",
            "narrows train denoiser noisy/ -o den.safetensors",
        ),
        target="What the items of DATA, which are noisy, should become: the same items without noise, or noisy again; "
        "without --target and --noise, DATA is noisy and nothing clean is needed.",
        evaluate="narrows.evaluation.restoration_evaluation:evaluate_denoiser",
        evaluate_options=("noise", "target", "tta"),
        report="narrows.report.denoiser_sections:sections",
        viewer="narrows.viewer.denoiser_tab:DenoiserTab",
        verbs={"denoise": "narrows.cli.restoration_verbs:denoise"},
    ),
    ToolSpec(
        name="imputer",
        estimator="narrows.estimators.imputer:Imputer",
        model="narrows.models.imputer_model:ImputerModel",
        describe="narrows.artifacts.description:describe_imputer",
        examples=("narrows train imputer mnist -o fill.safetensors --holes pixels:0.75",),
        takes_tables=True,
        python_only=("add_indicator",),
        evaluate="narrows.evaluation.restoration_evaluation:evaluate_imputer",
        evaluate_options=("holes", "tta"),
        report="narrows.report.imputer_sections:sections",
        viewer="narrows.viewer.imputer_tab:ImputerTab",
        verbs={"fill": "narrows.cli.restoration_verbs:fill"},
    ),
):
    register_tool(_spec)
