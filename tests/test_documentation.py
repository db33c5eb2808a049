"""Links, command lines and Python examples of the documentation."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from narrows.cli.application import root_command

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("docs/guides/*.md"),
    ]
)
PAGES = [page for page in PAGES if page.name != "command-line.md"]  # generated
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), f"{target}#{anchor}"


COMMANDS = cache(root_command)


@each_page
def test_command_lines_name_verbs_and_options_that_exist(page):
    if page.name == "extending.md":
        pytest.skip("tests/extending runs its commands, whose verbs and options are those of plugins")
    for line in re.findall(r"^    (narrows [a-z].*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        command, words = COMMANDS(), shlex.split(line, comments=True)[1:]
        while hasattr(command, "commands") and words:
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert used <= options, line


@each_page
def test_python_examples_parse(page):
    for block in re.findall(r"```python\n(.+?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(block)
