"""Data frames are prompts too, and other objects are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pytest

from ..support.batches import items_of


async def later() -> AsyncIterator[str]:
    yield "x"


@pytest.mark.parametrize(
    "prompts", [b"a.txt", {"prompt": "x"}, pd.DataFrame({"prompt": ["x"]}), later()]
)
def test_other_types_are_not_taken_for_prompts(prompts: Any) -> None:
    with pytest.raises(TypeError, match="a file or a list"):
        items_of(prompts)


def test_gaps_in_a_data_frame_are_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "id": [7, None],
            "prompt": ["a", None],
            "messages": [None, [{"role": "user", "content": "b"}]],
            "system": ["Be brief.", None],
        }
    )
    first, second = items_of(frame.to_dict("records"))
    assert (first.id, second.id) == (7, 2)
    assert [turn["content"] for turn in (*first.messages, *second.messages)] == [
        "Be brief.",
        "a",
        "b",
    ]
    typed = frame.convert_dtypes().to_dict("records")
    assert [item.id for item in items_of(typed)] == [7, 2]
