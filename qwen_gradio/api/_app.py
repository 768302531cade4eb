"""The endpoint's routes and access control."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, TypedDict
from urllib.parse import parse_qsl
from uuid import uuid4
from weakref import WeakSet

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .._access import address_of
from .._files.attachments import MAX_FILE_BYTES
from .._messages import History
from .._models import list_models, provider_of
from .._options import json_or_text, require
from .._stream import FragmentStream
from ..errors import InvalidMessagesError, QwenGradioError
from ._answers import Answer, ChatAnswer, error_object
from ._anthropic import AnthropicAnswer, anthropic_request
from ._completion import JSON, Completion, CompletionStream, error_response
from ._prompts import PromptAnswer, prompt_request
from ._requests import ChatRequest, RequestError, chat_request
from ._responses import ResponseAnswer, responses_request

MAX_BODY = 2 * MAX_FILE_BYTES
"""Maximum bytes of a request's body: enough for a file in base64, with text."""
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 413: {"Connection": "close"}}
"""Headers of errors, by status. The connection closes because the rest of the body is not read."""
LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)
"""Matches the Host header of a request to this computer."""
ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+")
"""Matches an Origin header, such as that of a browser extension, or `*`."""
OFFERED = re.compile(r"(?:(?P<name>[^=?:]+)=)?(?P<space>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL)
"""Matches a Space to serve: `[name=]space[?query]`."""


class Format(NamedTuple):
    """A format: the reader of its requests, their field for the question, and its replies."""

    read: Callable[[bytes | bytearray], ChatRequest]
    question: str
    answer: type[Answer]


FORMATS = {
    "/v1/chat/completions": Format(chat_request, "messages", ChatAnswer),
    "/v1/responses": Format(responses_request, "input", ResponseAnswer),
    "/v1/messages": Format(anthropic_request, "messages", AnthropicAnswer),
    "/v1/completions": Format(prompt_request, "prompt", PromptAnswer),
}
"""The formats by path."""


class EndpointOptions(TypedDict, total=False):
    """The parameters of `Endpoint`, without defaults."""

    space: str | None
    token: str | None
    max_tokens: int | None
    server_key: str | None
    max_concurrency: int | None
    history: History
    stream_timeout: float | None
    allow_origins: Iterable[str]


class Endpoint:
    """The handlers of all routes. The parameters are those of `app`.

    :ivar streams: the replies in progress or waiting for their turn.
    """

    def __init__(
        self,
        spaces: Iterable[str],
        *,
        space: str | None = None,
        token: str | None = None,
        max_tokens: int | None = None,
        server_key: str | None = None,
        max_concurrency: int | None = None,
        history: History = "native",
        stream_timeout: float | None = 300.0,
        allow_origins: Iterable[str] = (),
    ) -> None:
        require(
            max_tokens=max_tokens, max_concurrency=max_concurrency, stream_timeout=stream_timeout
        )
        self._spaces: dict[str, dict[str, Any]] = {}
        for name, options in map(_parse_space, spaces):
            if name in self._spaces:
                raise ValueError(f"Two Spaces are offered as {name!r}: use --space NAME=owner/name")
            self._spaces[name] = options
        self._defaults: dict[str, Any] = {
            "space": space,
            "api_key": token,
            "history": history,
            "stream_timeout": stream_timeout,
        }
        self._max_tokens = max_tokens
        self._server_key = server_key or None
        self.allow_origins = list(allow_origins)
        for origin in self.allow_origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin, such as https://chat.example, or *")
        self._places = anyio.CapacityLimiter(max_concurrency or math.inf)
        self.streams: WeakSet[FragmentStream] = WeakSet()
        # Raises if `space` is not a Space. Nothing is asked until a stream is read.
        provider_of(None).create_async_generator(None, [("user", "?")], **self._defaults)

    async def health(self, request: Request) -> Response:
        """Report that the endpoint runs, without asking a Space."""
        return JSON({"status": "ok"})

    async def models(self, request: Request) -> Response:
        """List the models."""
        self._authorize(request)
        owners = {
            **{name: provider.label for name, provider in list_models().items()},
            **dict.fromkeys(self._spaces, "Space"),
        }
        listed = [_model_object(model, owner) for model, owner in owners.items()]
        return JSON({"object": "list", "data": listed})

    async def model(self, request: Request) -> Response:
        """Describe a model, given any of its names."""
        self._authorize(request)
        name = request.path_params["model"]
        return JSON(
            _model_object(name, "Space" if name in self._spaces else provider_of(name).label)
        )

    async def reply(self, form: Format, request: Request) -> Any:
        """Answer a request in one of the formats."""
        self._authorize(request)
        try:
            asked = form.read(await _body(request))
        except ClientDisconnect:
            return Response()  # nobody reads it
        if self._max_tokens and asked.max_tokens is None:
            asked = replace(asked, options={**asked.options, "max_tokens": self._max_tokens})
        try:
            streams = [self._ask(asked, messages) for messages in asked.questions]
        except InvalidMessagesError as error:
            message = re.sub(r"^messages", form.question, str(error))
            raise RequestError(message, form.question, code="invalid_messages") from error
        answer = form.answer(asked, uuid4().hex, int(time.time()))
        kind = CompletionStream if asked.is_streamed else Completion
        return kind(streams, asked, answer, self._places)

    def _ask(self, asked: ChatRequest, messages: list[Any]) -> FragmentStream:
        """Return the stream for a question. It is asked when the stream is read."""
        own = self._spaces.get(asked.model, {})
        model = None if own else asked.model
        stream = provider_of(model).create_async_generator(
            model, messages, **{**self._defaults, **own, **asked.options}
        )
        self.streams.add(stream)
        return stream

    def _authorize(self, request: Request) -> None:
        """Reject requests without the server's key, and from web pages of other origins."""
        origin = request.headers.get("origin")
        if origin is not None and not {origin, "*"} & set(self.allow_origins):
            raise RequestError(
                f"Web pages of {origin:.200} may not use this endpoint. To allow them, start it "
                f"with --allow-origin {origin:.200}",
                status=403,
            )
        if self._server_key is not None:
            kind, _, key = request.headers.get("authorization", "").partition(" ")
            if "x-api-key" in request.headers:  # from Anthropic's clients
                kind, key = "bearer", request.headers["x-api-key"]
            expected = self._server_key.encode()
            if kind.lower() != "bearer" or not secrets.compare_digest(
                key.encode("latin-1"), expected
            ):
                raise RequestError(
                    "This endpoint requires its key: Authorization: Bearer ...",
                    status=401,
                    code="invalid_api_key",
                )
            return
        # The host name of a web page may resolve to this computer (DNS rebinding). And a page can
        # send forms anywhere, but JSON only to servers that allow it.
        if not LOOPBACK_HOST.fullmatch(request.headers.get("host", "")):
            raise RequestError(
                "This endpoint has no key for clients, so it accepts only requests to localhost. "
                "Start it with --server-key KEY, and send `Authorization: Bearer KEY`",
                status=403,
            )
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and kind != "application/json":
            raise RequestError("The Content-Type must be application/json", status=415)


def _parse_space(given: str) -> tuple[str, dict[str, Any]]:
    """Return the model name of a Space to serve, and its options."""
    found = OFFERED.fullmatch(given)
    assert found is not None  # it matches any text
    options: dict[str, Any] = {"space": address_of(found["space"]), "inputs": {}}
    for name, value in parse_qsl(found["query"] or "", keep_blank_values=True):
        if name == "api_name":
            options["api_name"] = value
        elif name.startswith("inputs."):
            options["inputs"][name.removeprefix("inputs.")] = json_or_text(value)
        else:
            raise ValueError(
                f"{given!r:.200}: a Space may have api_name=... and inputs.NAME=..., not {name!r}"
            )
    return found["name"] or found["space"], options


def _model_object(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


async def _body(request: Request) -> bytearray:
    """Read the body, up to the limit."""
    length = request.headers.get("content-length", "0")
    body = bytearray()
    if int(length) <= MAX_BODY:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                break
        else:
            return body
    raise RequestError(f"The body may have at most {MAX_BODY} bytes", status=413)


async def on_request_error(request: Request, error: Exception) -> Response:
    """Return the response for a rejected request."""
    assert isinstance(error, RequestError)
    content = error_object(str(error), error.status, error.param, error.code)
    return JSON(content, error.status, HEADERS.get(error.status))


async def on_error(request: Request, error: Exception) -> Response:
    """Return the response for one of our errors."""
    assert isinstance(error, QwenGradioError)
    return error_response(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Return the response for an unknown path or a wrong method."""
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404:
        posted = ", ".join(f"POST {path}" for path in FORMATS)
        message = (
            f"Unknown path: {request.url.path!r:.200}. Available are {posted} and GET /v1/models. "
            "The base URL for clients ends with /v1"
        )
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = f"{request.url.path!r:.200} takes {allowed}, not {request.method}"
    content = error_object(message, error.status_code)
    return JSON(content, error.status_code, error.headers)


async def on_failure(request: Request, error: Exception) -> Response:
    """Return the response for an unexpected error. The server logs it."""
    return JSON(error_object("The server failed", 500), 500)
