"""The notebooks run from top to bottom, and what is stored in them is what they put out."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from ..support.notebooks import NOTEBOOKS, executed

pytestmark = pytest.mark.usefixtures("server")


def put_out(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What kinds of output each cell has."""
    return [
        [kind for output in cell.outputs for kind in sorted(output.get("data") or [output.name])]
        if cell.cell_type == "code"
        else []
        for cell in notebook.cells
    ]


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["batch", "quickstart", "registries"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, id=path.stem, marks=() if path.stem == "quickstart" else pytest.mark.slow
        )
        for path in NOTEBOOKS
    ],
)
def test_a_notebook_runs_and_has_its_outputs_stored(path: Path, tmp_path: Path) -> None:
    fresh = executed(path, tmp_path, max_tokens=8)
    stored = nbformat.read(path, as_version=4)
    assert put_out(fresh) == put_out(stored)
    assert any(put_out(stored))
