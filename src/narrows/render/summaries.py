"""Figures of a model as tables for reading, on a terminal or on a page."""

from typing import TYPE_CHECKING, Any

from narrows.evaluation.summary import Summary

if TYPE_CHECKING:
    from narrows.evaluation.downstream import Downstream
    from narrows.evaluation.reconstruction_evaluation import Evaluation
    from narrows.evaluation.restoration_evaluation import Denoising, Filling
    from narrows.evaluation.table_evaluation import TableFilling


def summarise(found: "Evaluation | Denoising | Filling | TableFilling") -> Summary:
    """The figures that `narrows evaluate` finds."""
    from narrows.evaluation.reconstruction_evaluation import Evaluation
    from narrows.evaluation.restoration_evaluation import Denoising, Filling

    if isinstance(found, Evaluation):
        return rebuilding_summary(found)
    if isinstance(found, Denoising):
        return denoising_summary(found)
    return filling_summary(found) if isinstance(found, Filling) else completing_summary(found)


def rebuilding_summary(found: "Evaluation") -> Summary:
    positions = f", {found.positions:,.0f} of them positions" if found.positions else ""
    facts = [*data_facts(found), ("code", f"{found.code:,.0f} numbers{positions} for {found.values:,.0f} values")]
    columns: dict[str, Any] = {"model": found}
    if found.pca is None:
        facts.append(("PCA", f"none: {found.no_pca}"))
    else:
        columns[f"PCA-{found.pca.components}"] = found.pca
    return Summary(facts, quality_rows(columns), in_unit(found.unit))


def downstream_summary(found: "Downstream") -> Summary:
    """How well labels are told."""
    columns = {"codes": found.codes, f"PCA-{found.components}": found.pca, "raw data": found.raw}
    shown = {name: column for name, column in columns.items() if column is not None}
    rows = [
        ("right labels", *shown, "most frequent"),
        *(
            (name, *(f"{getattr(column, kind):.2%}" for column in shown.values()), f"{found.majority:.2%}")
            for kind, name in (("linear", "linear classifier"), ("neighbours", "5 nearest"))
        ),
    ]
    words = f"{found.classes} labels of {found.items:,} items; each half is told by classifiers of the other half"
    return Summary([], rows, words)


def denoising_summary(found: "Denoising") -> Summary:
    noise = ("target", found.target) if found.noise is None else ("noise", f"{found.noise}, added to the data")
    facts = [*data_facts(found), (noise[0], str(noise[1])), ("doubt", shares(found.within))]
    return Summary(facts, quality_rows({"before": found.before, "after": found}), in_unit(found.unit))


def filling_summary(found: "Filling") -> Summary:
    """Its mse and psnr are those of hidden values."""
    facts = [
        *data_facts(found),
        ("holes", f"{found.holes}; {found.hidden:.1%} of the values hidden"),
        ("doubt", shares(found.within)),
    ]
    rows = quality_rows({"model": found, "mean": found.mean, "nearest": found.nearest})
    return Summary(facts, rows, f"{in_unit(found.unit)}; mse and psnr of the hidden values, ssim of whole pictures")


def completing_summary(found: "TableFilling") -> Summary:
    facts = [
        ("data", found.data),
        ("rows", f"{found.items:,} in {found.seconds:.2f} s"),
        ("holes", f"{found.holes}; {found.hidden:.1%} of the cells hidden"),
    ]
    if found.within is not None:
        facts.append(("doubt", shares(found.within)))
    rows = [("column", "kind", "hidden", "model", "mean or most frequent")]
    for each in found.columns:
        rows.append((each.name, each.kind, f"{each.hidden:,}", f"{each.off:.4f}", f"{each.usual:.4f}"))
    for name, kind, off, usual in (
        ("all", "rmse", found.rmse, found.usual_rmse),
        ("all", "wrong", found.wrong, found.usual_wrong),
    ):
        if off is not None and usual is not None:
            rows.append((name, kind, "", f"{off:.4f}", f"{usual:.4f}"))
    unit = "numbers and dates: root mean squared error in deviations of the column; others: the share that is wrong"
    return Summary(facts, rows, unit)


def data_facts(found: "Evaluation | Denoising | Filling") -> list[tuple[str, str]]:
    skipped = f", {found.skipped} skipped" * bool(found.skipped)
    return [("data", found.data), ("items", f"{found.items:,} in {found.seconds:.2f} s{skipped}")]


def shares(within: tuple[float, float]) -> str:
    return f"{within[0]:.1%} of right values within one stated deviation, {within[1]:.1%} within two"


def quality_rows(columns: dict[str, Any]) -> list[tuple[str, ...]]:
    """The figures of each column; what has no ssim beside what has one gets a dash."""
    rows = [
        ("", *columns),
        ("mse", *(f"{column.mse:.6f}" for column in columns.values())),
    ]
    if any(column.psnr is not None for column in columns.values()):
        rows.append(("psnr", *(decibels(column.psnr) for column in columns.values())))
    ssim = [getattr(column, "ssim", None) for column in columns.values()]
    if any(figure is not None for figure in ssim):
        rows.append(("ssim", *("-" if figure is None else f"{figure:.4f}" for figure in ssim)))
    return rows


def in_unit(unit: str) -> str:
    return f"mse in scaled units: {unit}"


def decibels(psnr: float | None) -> str:
    return "-" if psnr is None else f"{psnr:.2f} dB"
