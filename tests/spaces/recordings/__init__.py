"""What the zoo's apps and Spaces say of themselves, recorded by `python -m tests.spaces.record`.

A recording has `gradio`, `config`, `info` and `page_calls`: the functions that the app's page runs
for one question, by number, in order. That of a Space has `space`, its name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

RECORDINGS = sorted(path.stem for path in FOLDER.glob("*.json"))
"""Their names: KIND-GRADIO."""


def recording(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found
