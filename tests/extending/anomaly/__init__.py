"""An example tool with parts of its own: it finds items unlike the training data."""

from narrows.registry import ToolSpec, register_tool


def register() -> None:
    """Make `narrows train anomaly` and `narrows score` known."""
    register_tool(
        ToolSpec(
            name="anomaly",
            estimator="anomaly.estimator:AnomalyDetector",
            model="anomaly.model:AnomalyModel",
            examples=("narrows train anomaly digits -o anomaly.safetensors --epochs 20",),
            describe="anomaly.model:describe",
            evaluate="anomaly.evaluation:evaluate",
            report="anomaly.report:sections",
            viewer="anomaly.viewer:AnomalyTab",
            verbs={"score": "anomaly.verbs:score"},
        )
    )
