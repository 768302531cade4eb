"""What needs an extra says which, if it is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ..support.servers import PATIENCE

pytestmark = pytest.mark.usefixtures("server")

BLOCK = """
import sys

class Missing:
    @staticmethod
    def find_spec(name, *args):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing)
{code}
"""
"""A program in which a module is missing, as far as imports can tell."""

LOCAL = "from qwen_gradio.local import running\nwith running(): pass"


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        ("import qwen_gradio.registries.g4f", "g4f", "g4f"),
        ("import qwen_gradio.api", "starlette", "api"),
        ("import qwen_gradio.api", "uvicorn", "api"),
        ("import qwen_gradio.registries.inspect_ai", "inspect_ai", "inspect"),
        ("import qwen_gradio.registries.langchain", "langchain_core", "langchain"),
        ("import qwen_gradio.registries.litellm", "litellm", "litellm"),
        ("import qwen_gradio.registries.llm", "llm", "llm"),
        ("import qwen_gradio.notebook", "IPython", "notebook"),
        ("import qwen_gradio.batch.ray", "ray", "ray"),
        (LOCAL, "gradio", "local"),
        (LOCAL, "xllamacpp", "local"),
    ],
)
def test_a_missing_extra_is_named_with_how_to_install_it(
    code: str, missing: str, extra: str
) -> None:
    command = [sys.executable, "-c", BLOCK.format(missing=missing, code=code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: {missing} is not installed. Run: pip install 'qwen-gradio[{extra}]'"
    )
