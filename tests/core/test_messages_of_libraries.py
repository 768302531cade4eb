"""Messages that are LangChain's, OpenAI's or pydantic's objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    HumanMessageChunk,
    InvalidToolCall,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
)
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from qwen_gradio._messages import prompt_from, to_messages
from qwen_gradio.errors import InvalidMessagesError

QUESTION = {"role": "user", "content": "?"}
CALL = {"id": "1", "type": "function", "function": {"name": "sum", "arguments": "{}"}}


class Model(BaseModel):
    role: str
    content: str


@pytest.mark.parametrize(
    ("message", "turn"),
    [
        (HumanMessage("hi"), ("user", "hi")),
        (AIMessage("hello"), ("assistant", "hello")),
        (AIMessageChunk(content="hello"), ("assistant", "hello")),
        (SystemMessage("Be brief."), ("system", "Be brief.")),
        (ChatMessage(content="hi", role="user"), ("user", "hi")),
        (HumanMessage([{"type": "text", "text": "hi"}]), ("user", "hi")),
        (HumanMessage(["h", {"type": "text", "text": "i"}]), ("user", "hi")),
        (HumanMessageChunk(content="hi"), ("user", "hi")),
        (SystemMessageChunk(content="Be brief."), ("system", "Be brief.")),
        (HumanMessage("hi", name="ada"), ("user", "hi")),
        (ChatCompletionMessage(role="assistant", content="hello"), ("assistant", "hello")),
        (Model(role="user", content="hi"), ("user", "hi")),
    ],
)
def test_messages_of_other_libraries_are_understood(message: Any, turn: tuple[str, str]) -> None:
    prompt = prompt_from([message, QUESTION])
    if turn[0] == "system":
        assert (prompt.system, prompt.turns) == (turn[1], (("user", "?"),))
    else:
        assert prompt.turns == (turn, ("user", "?"))
    # A batch stores them as JSON.
    assert prompt_from(json.loads(json.dumps(to_messages([message, QUESTION])))) == prompt


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (
            ChatCompletionMessage.model_validate(
                {"role": "assistant", "content": None, "tool_calls": [CALL]}
            ),
            "not tool_calls",
        ),
        (AIMessage("", tool_calls=[{"name": "sum", "args": {}, "id": "1"}]), "not tool_calls"),
        (
            AIMessage(
                "",
                invalid_tool_calls=[
                    InvalidToolCall(
                        type="invalid_tool_call", name="sum", args="{", id="1", error=None
                    )
                ],
            ),
            "not invalid_tool_calls",
        ),
        (AIMessage("", additional_kwargs={"function_call": {"name": "sum"}}), "not function_call"),
        (ToolMessage("2", tool_call_id="1"), "the result of a tool .*'tool'"),
    ],
)
def test_their_tools_are_rejected(message: Any, complaint: str) -> None:
    with pytest.raises(InvalidMessagesError, match=rf"messages\[1\].*{complaint}"):
        prompt_from([{"role": "user", "content": "hi"}, message, QUESTION])


@pytest.mark.parametrize(
    ("message", "turns"),
    [
        (AIMessage([{"type": "thinking", "thinking": "x"}, "4"]), [("assistant", "4")]),
        (AIMessage([{"type": "reasoning", "reasoning": "x"}]), []),
        (AIMessage("", additional_kwargs={"reasoning_content": "x"}), []),
        (ChatCompletionMessage(role="assistant", content=None), []),
    ],
)
def test_reasoning_in_earlier_turns_of_theirs_is_left_out(
    message: Any, turns: list[tuple[str, str]]
) -> None:
    assert prompt_from([message, QUESTION]).turns == (*turns, ("user", "?"))


def test_a_message_of_theirs_alone_is_no_list() -> None:
    with pytest.raises(InvalidMessagesError, match=r"list of messages, not \w+; one question is"):
        prompt_from(HumanMessage("hi"))
