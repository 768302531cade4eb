"""A spent GPU quota is a rate limit; a GPU's other errors are failures."""

from __future__ import annotations

import uuid

import pytest

from qwen_gradio import GenerationError, RateLimitError, StreamStatus

from ..support.asking import ask
from ..support.servers import ScriptedSpace, script

pytestmark = pytest.mark.anyio

QUOTA = (
    "You have exceeded your ZeroGPU quota (60s requested vs. 0s left). Try again in 23:51:22. "
    "Subscribe for more."
)


@pytest.mark.parametrize(
    ("message", "title", "retry_after"),
    [
        (QUOTA, "ZeroGPU quota exceeded", 85882),
        (QUOTA, "Error", 85882),
        ("You have exceeded your ZeroGPU runs limit.", "Error", None),
        ("Try again in 1 day, 0:00:01", "ZeroGPU quota exceeded", 86401),
    ],
)
async def test_a_spent_gpu_quota_is_a_rate_limit(
    scripted: ScriptedSpace, message: str, title: str, retry_after: float | None
) -> None:
    question = script(finish="fail", error=[message, title])
    with pytest.raises(RateLimitError) as caught:
        await ask(scripted, question).text()
    assert caught.value.retry_after == retry_after
    assert str(caught.value) == (message if title == "Error" else f"{title}: {message}")


@pytest.mark.parametrize("wait", ["", " Try again in 0:01:01"])
async def test_a_spent_gpu_quota_is_not_asked_for_again_within_seconds(
    scripted: ScriptedSpace, wait: str
) -> None:
    reported: list[StreamStatus] = []
    question = script(finish="fail", error=[f"Your GPU quota is spent.{wait}", "Error"])
    with pytest.raises(RateLimitError):
        await ask(scripted, question, max_retries=2, on_status=reported.append).text()
    assert "retrying" not in {status.state for status in reported}


async def test_a_gpu_quota_that_is_refilled_soon_is_waited_for(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], quota=(uuid.uuid4().hex, 1))
    assert await ask(scripted, question, max_retries=2).text() == "x"


async def test_other_errors_of_a_gpu_are_failures(scripted: ScriptedSpace) -> None:
    message = "CUDA error: the GPU has exceeded its memory limit"
    question = script(finish="fail", error=[message, "ZeroGPU worker error"])
    with pytest.raises(GenerationError, match=f"^ZeroGPU worker error: {message}$"):
        await ask(scripted, question).text()
