"""The tools, by name. A new tool is one line in `_TOOLS`, or one call of `register_tool` from outside the package.

Everything a tool consists of is named as ``"module:object"`` and imported when it is needed, so that this module costs
nothing and any other may import it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ToolSpec:
    """What a tool consists of; each value is ``"module:object"``.

    Parameters
    ----------
    name : str
        The tool's name in model files and after ``narrows train``.
    estimator : str
        The scikit-learn estimator. Its constructor's parameters become the options of ``narrows train NAME``.
    model : str
        The trained model: a subclass of `narrows.models.TrainedModel`.
    evaluate : str, optional
        ``evaluate(model, items, **options) -> Evaluation``, which ``narrows evaluate`` calls.
    evaluate_options : tuple of str
        The options of ``narrows evaluate`` that `evaluate` takes, of ``noise``, ``target``, ``holes`` and ``labels``.
    report : str, optional
        ``sections(context) -> list of steps``, the sections of ``narrows report``.
    viewer : str, optional
        The tab of ``narrows view``.
    verbs : mapping
        Further verbs of the command line, by name.
    """

    name: str
    estimator: str
    model: str
    evaluate: str | None = None
    evaluate_options: tuple[str, ...] = ()
    report: str | None = None
    viewer: str | None = None
    verbs: Mapping[str, str] = field(default_factory=dict)


_TOOLS: dict[str, ToolSpec] = {}


def register_tool(spec: ToolSpec) -> None:
    """Add a tool, or replace the one of that name."""
    _TOOLS[spec.name] = spec


def tools() -> dict[str, ToolSpec]:
    """Return all tools by name."""
    return dict(_TOOLS)


def resolve(reference: str) -> Any:
    """Import the object that ``"module:object"`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


for _spec in (
    ToolSpec(
        name="autoencoder",
        estimator="narrows.estimators.autoencoder:Autoencoder",
        model="narrows.models.autoencoder_model:AutoencoderModel",
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
        report="narrows.report.codec_sections:sections",
        viewer="narrows.viewer.codec_tab:CodecTab",
        verbs={
            "compress": "narrows.cli.codec_verbs:compress",
            "decompress": "narrows.cli.codec_verbs:decompress",
            "preview": "narrows.cli.codec_verbs:preview",
        },
    ),
    ToolSpec(
        name="denoiser",
        estimator="narrows.estimators.denoiser:Denoiser",
        model="narrows.models.denoiser_model:DenoiserModel",
        evaluate="narrows.evaluation.restoration_evaluation:evaluate_denoiser",
        evaluate_options=("noise", "target"),
        report="narrows.report.denoiser_sections:sections",
        viewer="narrows.viewer.denoiser_tab:DenoiserTab",
        verbs={"denoise": "narrows.cli.restoration_verbs:denoise"},
    ),
    ToolSpec(
        name="imputer",
        estimator="narrows.estimators.imputer:Imputer",
        model="narrows.models.imputer_model:ImputerModel",
        evaluate="narrows.evaluation.restoration_evaluation:evaluate_imputer",
        evaluate_options=("holes",),
        report="narrows.report.imputer_sections:sections",
        viewer="narrows.viewer.imputer_tab:ImputerTab",
        verbs={"fill": "narrows.cli.restoration_verbs:fill"},
    ),
):
    register_tool(_spec)
