"""Helpers for tests of batches."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from qwen_gradio import Qwen_Qwen_2_5_Max
from qwen_gradio._tasks import to_sync
from qwen_gradio.batch._asking import Asker
from qwen_gradio.batch._items import Item, Prompts

from .fronts import JOIN, Front
from .servers import NOBODY


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def items_of(prompts: Prompts, system: str | None = None) -> list[Item]:
    asker = Asker(provider=Qwen_Qwen_2_5_Max, system=system, space=NOBODY)
    return list(to_sync(asker.reader.read)(prompts).values())


def joins(front: Front) -> int:
    return sum(request.path == JOIN for request in front.requests)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "qwen_gradio", "batch", *map(str, arguments)]
