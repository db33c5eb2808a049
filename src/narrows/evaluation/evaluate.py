"""The figures of any model that `narrows evaluate` takes."""

from narrows.data import Items
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.evaluation.reconstruction_evaluation import Evaluation, evaluate
from narrows.evaluation.restoration_evaluation import Denoising, Filling, evaluate_denoiser, evaluate_imputer
from narrows.evaluation.table_evaluation import TableFilling, evaluate_table


def measure(
    model: Autoencoder | Denoiser | Imputer,
    items: Items,
    noise: str | None = None,
    target: Items | None = None,
    holes: str | None = None,
) -> Evaluation | Denoising | Filling | TableFilling:
    """How well items come back, with what that needs of the model's tool: noise or a target, or holes."""
    if isinstance(model, Autoencoder):
        return evaluate(model, items)
    if isinstance(model, Denoiser):
        return evaluate_denoiser(model, items, noise, target)
    return evaluate_imputer(model, items, holes) if items.spatial_dims else evaluate_table(model, items, holes)
