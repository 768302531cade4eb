"""Programs that ask a Space, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys

from .servers import PATIENCE

PROGRAM = """
import asyncio, sys
from qwen_gradio import Qwen_Qwen_2_5_Max
def ask(question):
    messages = [{"role": "user", "content": question}]
    return Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=sys.argv[1])
"""


def program(
    space: str, text: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + text, space, *arguments],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        env={**os.environ, **(environment or {})},
    )
