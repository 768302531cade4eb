"""What the endpoint makes of a request's body; malformed ones get an error of the client's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qwen_gradio import errors
from qwen_gradio.api._answers import error_of, status_of
from qwen_gradio.api._requests import NUMBERS, RequestError, chat_request

from ..support.endpoints import endpoint
from ..support.servers import NOBODY, PATIENCE

PATHS = ["chat/completions", "responses", "messages", "completions"]
QUESTIONS = {"input": "hi", "prompt": "hi"}
"""What the other formats have for messages."""
VALID: dict[str, Any] = {"model": "qwen-2.5-max", "messages": [{"role": "user", "content": "hi"}]}
FIELDS = [
    *("model", "messages", "stop", "stream", "stream_options", "n", "tools", "response_format"),
    *("system", "stop_sequences", "input", "instructions", "text", "previous_response_id"),
    *("prompt", "echo"),
    *("logprobs", "user", "tool_choice", "chat_template_kwargs", "reasoning_effort", *NUMBERS),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["system", "user", "assistant", "developer", "tool"]) | VALUES,
            "content": VALUES | st.lists(st.fixed_dictionaries({"type": VALUES, "text": VALUES})),
        },
    )
    | VALUES
)
BODIES = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FIELDS, VALUES), "messages": MESSAGES, "input": MESSAGES}
).map(lambda changes: json.dumps({**VALID, **QUESTIONS, **changes}).encode())


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of an endpoint with no Space behind it."""
    headers = {"Content-Type": "application/json"}
    with endpoint(space=NOBODY) as url:
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            yield client


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@given(body=st.one_of(BODIES, VALUES.map(lambda value: json.dumps(value).encode()), st.binary()))
@example(body=b"[" * 100_000)
@example(body=b'{"model": "\\ud800", "messages": []}')
@example(body=b'{"model": "qwen-2.5-max", "messages": [{"role": "user", "content": "\\ud800"}]}')
@example(body=json.dumps({**VALID, "input": [{"role": "user", "content": "\ud800"}]}).encode())
@example(body=json.dumps({**VALID, "prompt": "\ud800"}).encode())
@example(body=json.dumps({**VALID, "temperature": float("nan")}).encode())
@example(body=json.dumps({**VALID, "temperature": 10**400}).encode())
@example(body=json.dumps({**VALID, "max_tokens": 1.5}).encode())
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
def test_malformed_bodies_never_cause_a_500(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body)
    # Such as are valid, too, reach nobody.
    assert response.status_code in (400, 404, 503)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "field"), [("chat/completions", "messages"), ("responses", "input")]
)
def test_a_hundred_thousand_messages_are_read(client: httpx.Client, path: str, field: str) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 50_000
    body = {"model": "qwen-2.5-max", field: [*turns, {"role": "user", "content": "c"}]}
    assert client.post(path, json=body).status_code == 503  # that of the Space that is not there


def test_both_names_of_the_limit_mean_the_same() -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        body = json.dumps({**VALID, name: 5, "temperature": None}).encode()
        assert chat_request(body).options == {"max_tokens": 5}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "thinking_budget"])
def test_a_number_of_tokens_is_whole(name: str) -> None:
    with pytest.raises(RequestError, match=f"{name} must be a whole number from") as caught:
        chat_request(json.dumps({**VALID, name: 1.5}).encode())
    assert caught.value.param == name
    (value,) = chat_request(json.dumps({**VALID, name: 16.0}).encode()).options.values()
    assert (value, type(value)) == (16, int)  # JavaScript makes no difference


def test_stop_is_one_sequence_or_several() -> None:
    for stop, found in (("END", ["END"]), (["a", "", "b"], ["a", "b"]), (None, []), ("", [])):
        assert chat_request(json.dumps({**VALID, "stop": stop}).encode()).stops == found


@pytest.mark.parametrize("missing", VALID)
def test_a_model_and_messages_are_required(missing: str) -> None:
    body = {name: value for name, value in VALID.items() if name != missing}
    with pytest.raises(RequestError, match=missing) as caught:
        chat_request(json.dumps(body).encode())
    assert caught.value.param == missing


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidMessagesError, 400, "invalid_request_error"),
        (errors.AuthenticationError, 401, "authentication_error"),
        (errors.ModelNotFoundError, 404, "invalid_request_error"),
        (errors.RateLimitError, 429, "rate_limit_error"),
        (errors.GenerationError, 502, "server_error"),
        (errors.SpaceInterfaceError, 502, "server_error"),
        (errors.StreamInterruptedError, 502, "server_error"),
        (errors.QueueFullError, 503, "server_error"),
        (errors.SpaceUnavailableError, 503, "server_error"),
        (errors.StreamTimeoutError, 504, "server_error"),
    ],
)
def test_every_error_has_openais_status_and_type(
    error: type[errors.QwenGradioError], status: int, kind: str
) -> None:
    assert status_of(error("why")) == status
    described = error_of(error("why"))["error"]
    assert (described["message"], described["type"]) == ("why", kind)
