"""Write the page of model cards, docs/model-cards.md, from the cards of the ready-made models."""

from pathlib import Path

from narrows.ready import ReadyModel, ready_models

PAGE = Path(__file__).parents[1] / "docs" / "model-cards.md"
HEAD = """# Model cards

The [ready-made models](guides/ready-made-models.md), as `narrows models --json` lists them.
"""


def model_cards() -> str:
    """Return the page."""
    return "\n".join([HEAD, *map(section, ready_models())])


def section(model: ReadyModel) -> str:
    """Return the section of a model."""
    rows = [f"| {each.task} | {each.value:g} {each.unit} | {each.peer} {each.peer_value:g} |" for each in model.figures]
    measured = f"Measured on {model.measured_on}."
    if model.within is not None:
        one, two = model.within
        measured += f" {one:.1%} of their values lie within one predictive standard deviation, {two:.1%} within two."
    data = " and ".join(f"{each.items:,} {each.name} ({each.licence})" for each in model.data)
    lines = [
        f"## {model.name}",
        "",
        f"For {model.what}. {model.size:,} bytes; fingerprint `{model.fingerprint[:12]}`.",
        "",
        "| task | result | for comparison |",
        "|---|---:|---:|",
        *rows,
        "",
        measured,
        "",
        f"Trained on {data}, with the seed {model.seed}:",
        "",
        f"    {model.command}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(model_cards(), encoding="utf-8")
