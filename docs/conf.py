"""Configuration of the documentation, and the pages that are generated from the program."""

import re
import sys
from pathlib import Path
from typing import Any

import narrows
from narrows.cli.application import root_command

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

project = "narrows"
author = "The narrows developers"
copyright = f"2026, {author}"
version = release = narrows.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
nitpicky = False
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]

html_theme = "pydata_sphinx_theme"
html_title = "narrows"
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "header_links_before_dropdown": 6,
    "pygments_light_style": "tango",
}
html_static_path: list[str] = []
html_show_sourcelink = False


def command_line_reference() -> str:
    """Return a page with the help of every verb, as the program prints it."""
    lines = ["# Command line reference", "", "This is the output of `--help`."]

    def add(command: Any, path: list[str]) -> None:
        context = command.make_context(" ".join(path), [], resilient_parsing=True, terminal_width=100)
        lines.extend(["", f"## {' '.join(path)}", "", "```text", command.get_help(context).rstrip(), "```"])
        for name in getattr(command, "commands", ()):
            add(command.get_command(context, name), [*path, name])

    add(root_command(), ["narrows"])
    return "\n".join(lines) + "\n"


def write_if_changed(path: Path, text: str) -> None:
    """Write a generated page, and leave it alone where it is up to date."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def lessons() -> None:
    """Write the lessons as pages."""
    import jupytext

    folder = FOLDER / "lessons"
    folder.mkdir(exist_ok=True)
    for script in sorted((FOLDER.parent / "lessons").glob("*.py")):
        text = jupytext.writes(jupytext.read(script, fmt="py:percent"), "md")
        text = text.partition("\n---\n")[2].lstrip() if text.startswith("---") else text
        write_if_changed(folder / f"{script.stem}.md", text)


def escape_shapes(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape shapes such as (N, C, *S) and (n_features_in_,), which would begin emphasis and end a link."""
    for number, line in enumerate(lines):
        if ">>>" not in line:
            line = re.sub(r"([(\[ ])\*(?=[A-Za-z])", r"\1\\*", line)
            lines[number] = re.sub(r"(?<=\()(\w+)_(?=[,)])", r"\1\\_", line)


def setup(app: Any) -> None:
    """Edit docstrings before numpydoc reads them."""
    app.connect("autodoc-process-docstring", escape_shapes, priority=100)


write_if_changed(FOLDER / "command-line.md", command_line_reference())
lessons()
