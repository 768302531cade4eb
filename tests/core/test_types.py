"""What a type checker says of calls: exactly the wrong ones are rejected."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.servers import PATIENCE

pytestmark = pytest.mark.usefixtures("server")

CONFIG = """
[mypy]
follow_imports = skip
[mypy-qwen_gradio.*,pydantic.*]
follow_imports = normal
"""
"""Other libraries are left out, as they take ten times as long, and no option is of their types."""


@pytest.mark.slow
def test_type_checkers_know_the_options(tmp_path: Path) -> None:
    """Exactly the lines that end with "# wrong" are rejected."""
    code = """
import math
import ssl
from pathlib import Path

from pydantic import SecretStr

from qwen_gradio import Chat, Qwen_Qwen_3, StreamStatus, ask, batch, stream
from qwen_gradio.batch.ray import QwenBatch

async def see(status: StreamStatus) -> None: ...

ask("?", "qwen-2-5-max", system="Be brief.", space="a/b", timeout=3, temperature=0.5)
ask("?", "qwen-3-8b", provider=None, thinking_budget=8, max_retries=math.inf, on_status=see)
ask("?", provider=Qwen_Qwen_3, api_key=SecretStr("x"), auth="ada:x", history="native")
stream("?", auth=("ada", SecretStr("x")), ssl_verify=ssl.create_default_context(), api_name=3)
Chat("Be brief.", "a/b", timeout=None, inputs={"n": 1}, headers={"X-Key": "x"})
batch.run_sync(["?"], Path("out"), space="a/b", max_retries=3, on_reasoning=print)
batch.run_sync(["?"], "out").answered
batch.run_sync(["?"])[0]["reply"]
batch.run_sync(["?"]).answered  # wrong
QwenBatch(space="a/b", max_retries=3, top_p=0.5)
ask("?", tmeout=3)  # wrong
ask("?", timeout="3")  # wrong
ask("?", provider=7)  # wrong
ask("?", history="mine")  # wrong
ask("?", auth=("ada", "x", "y"))  # wrong
stream("?", on_status="see")  # wrong
stream("?", max_tokens=1.5)  # wrong
Chat(space=Path("a/b"))  # wrong
Chat(api_key=b"x")  # wrong
Chat(api_nam="chat")  # wrong
batch.run_sync(["?"], "out", headers=["X-Key: x"])  # wrong
QwenBatch(inputs=[1])  # wrong
"""
    file = tmp_path / "calls.py"
    file.write_text(code)
    config = tmp_path / "mypy.ini"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    done = subprocess.run(
        [*command, "--cache-dir", str(tmp_path / "cache"), "--config-file", config, file],
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
    )
    found = {int(line) for line in re.findall(r"calls\.py:(\d+): error", done.stdout)}
    wrong = {n for n, line in enumerate(code.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, done.stdout + done.stderr
