"""What is reported of a job's updates."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._gradio.updates import OutputSink
from qwen_gradio._page.values import Values
from qwen_gradio._reply import ReplyState

from ..support.plans import QUESTION, RESPOND, planned


def test_a_reply_that_is_nested_too_deeply_is_not_a_chats() -> None:
    values = Values(planned(RESPOND), QUESTION)
    sink = OutputSink(values, ReplyState("a/b", None, None), lambda: 0, "")
    sink.start_step(values.plan.steps[0])
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    assert sink._reply is not None
    sink._reply.feed([["4?", nested]])
    with pytest.raises(SpaceInterfaceError, match="not a chat's reply"):
        sink.end()
