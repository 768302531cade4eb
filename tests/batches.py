"""What tests of batches share."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from qwen_gradio.batch._items import Item, Items, Prompts

from .fronts import JOIN, Front


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def items_of(prompts: Prompts, system: str | None = None) -> list[Item]:
    with closing(Items(prompts, system, {})) as items:
        return list(items)


def joins(front: Front) -> int:
    return sum(request.path == JOIN for request in front.requests)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "qwen_gradio", "batch", *map(str, arguments)]
