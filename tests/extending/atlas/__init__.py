"""An example tool: a plane on which similar items are near each other."""

from narrows.registry import ToolSpec, register_tool


def register() -> None:
    """Make `narrows train atlas` and `narrows locate` known."""
    register_tool(
        ToolSpec(
            name="atlas",
            estimator="atlas.estimator:Atlas",
            model="atlas.model:AtlasModel",
            examples=("narrows train atlas photos/ -o atlas.safetensors --minutes 5",),
            evaluate="narrows.evaluation.reconstruction_evaluation:evaluate",
            report="narrows.report.autoencoder_sections:sections",
            verbs={"locate": "atlas.verbs:locate"},
        )
    )
