"""Each lesson from a clean kernel, with hardly any training."""

from pathlib import Path

import pytest

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("*.py"))


def test_there_are_six() -> None:
    assert [path.name[0] for path in LESSONS] == list("123456")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("LESSON_PACE", "0.2")
    notebook = jupytext.read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "## Your experiment" in "\n".join(words)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "narrows." in code
    assert not [
        line for line in code.splitlines() if "import" in line and "narrows." in line
    ]  # the public surface only
    nbclient.NotebookClient(notebook, timeout=280, resources={"metadata": {"path": tmp_path}}).execute()
