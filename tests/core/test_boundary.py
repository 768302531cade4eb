"""Who imports what: the boundary to gradio_client, pure modules, a core without registries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import qwen_gradio

PACKAGE = Path(qwen_gradio.__file__).parent
GRADIO = {"gradio_client", "httpx", "httpx2", "huggingface_hub"}
REGISTRIES = {"g4f", "inspect_ai", "langchain_core", "litellm", "llm"}
PURE = [
    *("_access", "_controls", "_messages", "_openai", "_reply", "errors"),
    *("_page/app", "_page/bounds", "_page/chain", "_page/plan", "_page/outputs", "_page/fragments"),
    *("_page/attaching", "_page/files", "_page/history", "_page/inspection"),
    *("_page/planning", "_page/session", "_page/tags", "_page/turns", "_page/values"),
    *("_files/attachments", "_files/links", "_files/media"),
    *("api/_anthropic", "api/_answers", "api/_prompts", "api/_requests", "api/_responses"),
    "api/_shaping",
    "_gradio/events",
]
WITH_IO = {
    *GRADIO,
    *REGISTRIES,
    *("anyio", "asyncio", "threading", "socket", "ssl", "os", "io", "subprocess", "tempfile"),
    *("urllib.request", "http.client", "time", "random", "secrets"),
}


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, those of the package with a leading dot."""
    here = [".qwen_gradio", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports(file: Path, names: set[str]) -> set[str]:
    found = [f"{module}." for module in imported(file) if not module.startswith("os.path.")]
    return {name for name in names if any(module.startswith(f"{name}.") for module in found)}


FILES = [pytest.param(file, id=str(file.relative_to(PACKAGE))) for file in PACKAGE.rglob("*.py")]


@pytest.mark.parametrize("file", FILES)
def test_only_the_boundary_imports_gradio_client(file: Path) -> None:
    folder = file.relative_to(PACKAGE).parts[0]
    # A registry may use httpx types that its own library uses.
    allowed = {"_gradio": GRADIO, "registries": {"httpx", "httpx2"}}.get(folder, set())
    assert imports(file, GRADIO - allowed) == set()


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_nothing_that_does_io(name: str) -> None:
    file = PACKAGE / f"{name}.py"
    assert imports(file, WITH_IO) == set()
    ours = {found.split(".")[2] for found in imported(file) if found.startswith(".qwen_gradio.")}
    rooms = {part for pure in PURE for part in pure.split("/")}
    assert ours <= rooms - {"_gradio"}


@pytest.mark.parametrize("file", FILES)
def test_the_core_imports_no_registry(file: Path) -> None:
    folder = file.relative_to(PACKAGE).parts[0]
    if folder != "registries":
        assert imports(file, {*REGISTRIES, ".qwen_gradio.registries"}) == set()


def test_what_has_no_underscore_is_public() -> None:
    found = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py")}
    public = {name for name in found if not any(p.startswith("_") for p in name.split("/"))}
    assert public == {
        *("errors.py", "provider.py", "chat.py", "sync.py", "notebook.py", "cli.py"),
        *("batch/ray.py", "registries/g4f.py", "registries/langchain.py"),
        *("registries/inspect_ai.py", "registries/litellm.py", "registries/llm.py"),
    }
