"""Data frames are prompts too, and other objects are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pytest

from qwen_gradio.batch._items import Items


async def later() -> AsyncIterator[str]:
    yield "x"


@pytest.mark.parametrize("prompts", [{"prompt": "x"}, pd.DataFrame({"prompt": ["x"]}), later()])
def test_other_types_are_not_taken_for_prompts(prompts: Any) -> None:
    with pytest.raises(TypeError, match="a file or a list"):
        Items(prompts, None, {})


def test_gaps_in_a_data_frame_are_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "id": [7, None],
            "prompt": ["a", None],
            "messages": [None, [{"role": "user", "content": "b"}]],
            "system": ["Be brief.", None],
        }
    )
    first, second = Items(frame.to_dict("records"), None, {})
    assert (first.id, second.id) == (7, 2)
    assert [turn["content"] for turn in (*first.messages, *second.messages)] == [
        "Be brief.",
        "a",
        "b",
    ]
    typed = frame.convert_dtypes().to_dict("records")
    assert [item.id for item in Items(typed, None, {})] == [7, 2]
