"""Every recorded app is asked by the functions that its page calls; no server is needed."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._page.planning import plan_of

from ..spaces.recordings import RECORDINGS, recording

NO_CHAT = {"image", "classifier", "api-undeclared"}
NO_INPUT = {"missing-input", "api-text-history"}
"""Apps whose chat needs what cannot be given."""
AMBIGUOUS = {"two-texts"}
CHAT_INTERFACES = {
    *("at-once", "changing", "history", "interface", "list", "message", "more"),
    *("multimodal", "thoughts", "bounds", "chat-tabs", "system"),
}
"""Apps that have an endpoint of their own, which does what their page calls."""


def kind_of(name: str) -> str:
    return name.rpartition("-")[0]


def writes(recorded: dict[str, Any], fn_index: int) -> set[int]:
    dependency = next(d for d in recorded["config"]["dependencies"] if d["id"] == fn_index)
    return set(dependency["outputs"])


BOUND = [name for name in RECORDINGS if kind_of(name) not in NO_CHAT | NO_INPUT | AMBIGUOUS]
BLOCKS = [name for name in BOUND if kind_of(name) not in CHAT_INTERFACES]
INTERFACES = [name for name in BOUND if kind_of(name) in CHAT_INTERFACES]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_page_of_blocks_is_asked_by_its_own_calls(name: str) -> None:
    recorded = recording(name)
    plan = plan_of(recorded["config"], recorded["info"], name)
    called = [step.fn_index for step in plan.steps if not step.is_load]
    loaded = [step.fn_index for step in plan.steps if step.is_load]
    page_calls = [call for call in recorded["page_calls"] if call not in loaded]
    assert called == page_calls[: len(called)]
    # What is left out comes after the reply.
    assert not any(plan.reply in writes(recorded, call) for call in page_calls[len(called) :])


@pytest.mark.parametrize("name", INTERFACES)
def test_a_chat_interface_is_asked_by_its_own_endpoint(name: str) -> None:
    recorded = recording(name)
    plan = plan_of(recorded["config"], recorded["info"], name)
    (step,) = [step for step in plan.steps if not step.is_for_turns]
    assert step.name in recorded["info"]["named_endpoints"]
    assert step.reply == 0


@pytest.mark.parametrize("name", [name for name in RECORDINGS if kind_of(name) in NO_CHAT])
def test_an_app_without_a_chat_is_rejected(name: str) -> None:
    recorded = recording(name)
    with pytest.raises(SpaceInterfaceError, match="no chat that can be used"):
        plan_of(recorded["config"], recorded["info"], name)


@pytest.mark.parametrize("name", [name for name in RECORDINGS if kind_of(name) in NO_INPUT])
def test_an_app_that_needs_what_cannot_be_given_is_rejected(name: str) -> None:
    recorded = recording(name)
    with pytest.raises(SpaceInterfaceError, match="cannot be called, because"):
        plan_of(recorded["config"], recorded["info"], name)


@pytest.mark.parametrize("name", [name for name in RECORDINGS if kind_of(name) in AMBIGUOUS])
def test_an_ambiguous_app_needs_an_api_name(name: str) -> None:
    recorded = recording(name)
    with pytest.raises(SpaceInterfaceError, match="/summarize, /translate"):
        plan_of(recorded["config"], recorded["info"], name)
    plan = plan_of(recorded["config"], recorded["info"], name, "/translate")
    assert [step.name for step in plan.steps] == ["/translate"]
