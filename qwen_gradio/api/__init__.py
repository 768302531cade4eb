"""An endpoint in OpenAI's formats, for every tool that asks one. Needs the extra `api`.

It answers `/v1/chat/completions`, `/v1/responses`, `/v1/completions` and, for Anthropic's clients,
`/v1/messages` (their key may be in `x-api-key`; errors have OpenAI's format), complete or streamed.
Responses are of text, and nothing is kept between requests: `previous_response_id`, `conversation`
and `background` are rejected, and so are function calls among the items. `store`, `metadata`,
`include` and such fields are ignored. For `/v1/completions`, each prompt is a question of its own,
and they are asked one after the other; reasoning is not sent, and `echo`, `suffix` and `best_of`
are rejected.

`temperature`, `top_p`, `top_k`, `min_p`, `seed`, penalties, `max_tokens` and `thinking_budget` are
given to Spaces that have such inputs. Where one has none for `max_tokens`, it is stopped at an
estimate, and the finish reason is "length"; 0 and -1 set no limit. Thinking is switched off by
`enable_thinking: false`, also in `chat_template_kwargs`, `think: false` and `reasoning_effort:
"none"`. A reply ends before a text in `stop`, and `reasoning_tags` (true or false) says whether
text between tags such as `<think>` is reasoning. Unknown fields are ignored.

Tools that a model may use or not are answered in text. JSON, with or without a schema, is asked for
in the system prompt and comes without a code fence; that it is JSON, or valid, is not enforced.
Required tools, `n > 1`, logprobs and files that a Space does not take are rejected: status 400.

`GET /v1/models` lists the models; `GET /health` says that the endpoint runs, and asks no Space. An
error has the status 400, 401, 404, 429, 502, 503 or 504, and `Retry-After` where the Space says
when; `x-should-retry: false` where asking again would not help. After a stream's first text, or 3
seconds, it is an event in it, as by then comments keep proxies awake. Reasoning is
`reasoning_content` and `reasoning`. The usage is an estimate, a token for four bytes, as Spaces
report none. Failures of its own are logged; requests only at the level INFO of the logger
`qwen_gradio.api`, a line for each, with its model, status, seconds and characters, and no texts.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial

from typing_extensions import Unpack

from .._extras import needing
from .._listening import listen
from ..errors import QwenGradioError
from ._requests import RequestError

with needing("api"):
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
"""Seconds that clients have to read the end of their replies."""


def app(spaces: Iterable[str] = (), **options: Unpack[EndpointOptions]) -> Starlette:
    """Return the endpoint as an ASGI application, for a server of your own.

    :param spaces: Spaces, as `owner/name` or URL, each of which is a model of that name, besides
        the models of all providers. `NAME=owner/name` gives it another name, perhaps that of a
        provider's model, whose place it takes; `owner/name?api_name=/chat&inputs.Style=brief` an
        endpoint and values of inputs, as JSON or else text, encoded as in a URL.
    :param space: the Space that providers' models are asked on; else `$QWEN_GRADIO_SPACE`; else
        their own. Clients cannot choose it.
    :param token: Hugging Face token, sent to every Space.
    :param max_tokens: the limit for a reply whose request sets none.
    :param server_key: the key that clients have to send. Without one, only requests to localhost
        are accepted.
    :param max_concurrency: how many requests are asked at once; the others wait.
    :param history: "native", the default, hands earlier turns to a Space's own chat, where it takes
        them; "flat" sends all turns as one question.
    :param stream_timeout: seconds that may pass without any update from a Space: by default, 300.
        None sets no limit.
    :param allow_origins: the origins, such as `https://chat.example`, whose pages in a browser may
        ask; "*" allows every page. The key is required of all.
    :raises ValueError: if `max_concurrency` or `max_tokens` is less than 1, an origin is not one,
        or one of `spaces` is not in this form or has the name of another.
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
    """Serve the endpoint until Ctrl-C, which also stops the replies that are being written.

    The parameters are those of `app`, and:

    :param host: the address to listen on; any but this computer's own requires `server_key`.
    :param port: the port.
    :param on_start: called with the base URL for clients, once it can be asked.
    :raises ValueError: if `server_key` is required.
    :raises OSError: if the address cannot be listened on.
    :raises KeyboardInterrupt: at Ctrl-C, once everything is stopped.
    """
    if host not in LOOPBACK and not options.get("server_key"):
        raise ValueError(f"Listening on {host} requires a key for clients to send: --server-key")
    config = uvicorn.Config(
        app(spaces, **options), log_level="warning", timeout_graceful_shutdown=SHUTDOWN_TIMEOUT
    )
    with listen(host, port) as listening:
        if on_start is not None:  # the socket accepts connections already
            name = f"[{host}]" if ":" in host else host
            on_start(f"http://{name}:{listening.getsockname()[1]}/v1")
        _Server(config).run([listening])


class _Server(uvicorn.Server):
    """A server that does not wait for replies when it shuts down."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for stream in list(self.config.app.state.streams):  # type: ignore[union-attr]
            stream.close()
        await super().shutdown(sockets)
