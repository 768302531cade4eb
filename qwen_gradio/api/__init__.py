"""An endpoint in OpenAI's formats, for any tool that uses one. Requires the extra `api`.

Its paths are `/v1/chat/completions`, `/v1/responses`, `/v1/completions` and, for Anthropic's
clients, `/v1/messages` (the key may be in `x-api-key`; errors are in OpenAI's format). Replies are
complete or streamed. `/v1/responses` returns text, and keeps nothing between requests: it rejects
`previous_response_id`, `conversation`, `background` and function calls among the items, and ignores
`store`, `metadata`, `include` and the like. `/v1/completions` asks one prompt after the other. It
does not return reasoning, and rejects `echo`, `suffix` and `best_of`.

`temperature`, `top_p`, `top_k`, `min_p`, `seed`, penalties, `max_tokens` and `thinking_budget` are
passed to Spaces that have an input for them. If a Space has none for `max_tokens`, the reply is cut
off at an estimate, with the finish reason "length"; 0 and -1 set no limit. To turn thinking off,
send `enable_thinking: false` (also in `chat_template_kwargs`), `think: false` or `reasoning_effort:
"none"`. A reply ends before any text in `stop`. `reasoning_tags` (true or false) sets whether text
between tags such as `<think>` is reasoning. Unknown fields are ignored.

Requests with optional tools are answered in text. JSON, with or without a schema, is requested in
the system prompt, and a code fence around it is removed; its validity is not enforced. Required
tools, `n > 1`, logprobs and files that a Space does not take are rejected with status 400.

`GET /v1/models` lists the models. `GET /health` reports that the endpoint runs, without asking a
Space. Errors have the status 400, 401, 404, 429, 502, 503 or 504; `Retry-After` if the Space names
a time; and `x-should-retry: false` if a retry would not help. Once a stream has sent text, or after
3 seconds, when comments begin to keep proxies awake, an error is an event in the stream. Reasoning
is in `reasoning_content` and `reasoning`. Usage is an estimate of one token per four bytes: Spaces
report none. The endpoint's own failures are logged. At the level INFO, the logger `qwen_gradio.api`
also logs a line per request: its model, status, seconds and characters, but no texts.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial

from typing_extensions import Unpack

from .._extras import require_extra
from .._listening import listen
from ..errors import QwenGradioError
from ._requests import RequestError

with require_extra("api"):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Route

    from . import _app
    from ._app import EndpointOptions
    from ._log import RequestLog

__all__ = ["app", "serve"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHUTDOWN_TIMEOUT = 2
"""Seconds for clients to read the end of their replies."""


def app(spaces: Iterable[str] = (), **options: Unpack[EndpointOptions]) -> Starlette:
    """Return the endpoint as an ASGI application, for your own server.

    :param spaces: Spaces to serve beyond the models of all providers, as `owner/name` or URL. Each
        is a model of that name. `NAME=owner/name` gives it another name; the name of a provider's
        model replaces that model. `owner/name?api_name=/chat&inputs.Style=brief` sets an endpoint
        and values of inputs, as JSON or else text, encoded as in a URL.
    :param space: the Space for the providers' models; by default `$QWEN_GRADIO_SPACE`, else each
        provider's own. Clients cannot choose it.
    :param token: Hugging Face token, sent to every Space.
    :param max_tokens: the limit for a reply if the request sets none.
    :param server_key: the key that clients must send. Without one, only requests to localhost are
        accepted.
    :param max_concurrency: maximum requests at once; the others wait.
    :param history: "native", the default, puts earlier turns into a Space's own history, if it has
        one; "flat" sends all turns as one question.
    :param stream_timeout: maximum seconds between two updates from a Space; by default, 300. None
        sets no limit.
    :param allow_origins: the origins, such as `https://chat.example`, whose web pages may use the
        endpoint; "*" allows every page. They must also send the key.
    :raises ValueError: if `max_concurrency` or `max_tokens` is less than 1, if an origin is not
        valid, or if one of `spaces` is not in this form or has the name of another.
    :raises SpaceUnavailableError: if `space` or one of `spaces` is not the address of a Space.
    """
    endpoint = _app.Endpoint(spaces, **options)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=endpoint.allow_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After", "x-should-retry"],
    )
    application = Starlette(
        routes=[
            *(
                Route(path, partial(endpoint.reply, form), methods=["POST"])
                for path, form in _app.FORMATS.items()
            ),
            Route("/v1/models", endpoint.models),
            Route("/v1/models/{model:path}", endpoint.model),
            Route("/health", endpoint.health),
        ],
        middleware=[Middleware(RequestLog), *([cors] if endpoint.allow_origins else [])],
        exception_handlers={
            RequestError: _app.on_request_error,
            QwenGradioError: _app.on_error,
            HTTPException: _app.on_http_error,
            Exception: _app.on_failure,
        },
    )
    application.state.streams = endpoint.streams
    return application


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    spaces: Iterable[str] = (),
    on_start: Callable[[str], object] | None = None,
    **options: Unpack[EndpointOptions],
) -> None:
    """Serve the endpoint until Ctrl-C, which also stops replies in progress.

    The parameters are those of `app`, and:

    :param host: the address to listen on. Any address but loopback requires `server_key`.
    :param port: the port.
    :param on_start: called with the base URL for clients, once it accepts requests.
    :raises ValueError: if `server_key` is required.
    :raises OSError: if the address cannot be used.
    :raises KeyboardInterrupt: at Ctrl-C, once everything is stopped.
    """
    if host not in LOOPBACK and not options.get("server_key"):
        raise ValueError(f"Listening on {host} requires a key for clients to send: --server-key")
    config = uvicorn.Config(
        app(spaces, **options), log_level="warning", timeout_graceful_shutdown=SHUTDOWN_TIMEOUT
    )
    with listen(host, port) as listening:
        if on_start is not None:  # the socket already accepts connections
            name = f"[{host}]" if ":" in host else host
            on_start(f"http://{name}:{listening.getsockname()[1]}/v1")
        _Server(config).run([listening])


class _Server(uvicorn.Server):
    """A server that does not wait for replies when it shuts down."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for stream in list(self.config.app.state.streams):  # type: ignore[union-attr]
            stream.close()
        await super().shutdown(sockets)
