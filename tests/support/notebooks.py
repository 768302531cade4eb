"""Runs the notebooks in a real kernel: `python -m tests.support.notebooks` stores their outputs."""

from __future__ import annotations

import logging
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def executed(path: Path, folder: Path, max_tokens: int = 512) -> nbformat.NotebookNode:
    """A notebook with the outputs of a fresh run, in that folder.

    :param max_tokens: limit for the replies of the embedded Space, whose model is slow.
    :raises nbclient.exceptions.CellExecutionError: if a cell raises.
    """
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("max_tokens=512", f"max_tokens={max_tokens}")
    NotebookClient(
        notebook, timeout=300, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    return notebook


def main() -> None:
    for path in NOTEBOOKS:
        logging.getLogger(__name__).info("running %s", path.name)
        notebook = executed(path, path.parent)
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # when it was run
        nbformat.write(notebook, path)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
