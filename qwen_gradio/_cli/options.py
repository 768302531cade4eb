"""The options that commands share, and the arguments that they stand for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from .._access import checked_headers, checked_proxy
from .._messages import History
from .._models import provider_of, providers
from .._options import json_or_text
from .terminal import fail, log_to_notes, notes

SPACE, LIMITS = "The Space", "Limits"
"""Headings of the help pages."""


SaveOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        file_okay=False,
        help="Save the files that come with replies in this directory. No file there is replaced.",
    ),
]


def _models_starting_with(incomplete: str) -> list[str]:
    models = (name for provider in providers().values() for name in provider.get_models())
    return [name for name in models if name.startswith(incomplete)]


def _start_logging(is_wanted: bool) -> bool:
    if is_wanted:
        log_to_notes()
    return is_wanted


@dataclass(frozen=True)
class Options:
    """The options of all commands that ask; some commands have a few of them."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="The model; `models` lists them.",
            autocompletion=_models_starting_with,
        ),
    ] = None
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="The system prompt.")] = None
    history: Annotated[
        History | None,
        typer.Option(help="How earlier turns are sent: in the question, or as the Space's own."),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(metavar="T", min=0, help="Passed to Spaces that have such an input."),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Limit for a reply. Passed to Spaces that have such an input. The embedded Space "
            "always respects it.",
        ),
    ] = None
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=VALUE",
            help="The value, as JSON or else text, of another input that `inspect` lists. "
            "Repeatable.",
        ),
    ] = None
    space: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE",
            help="The Space: owner/name or URL. The default is $QWEN_GRADIO_SPACE or the model's.",
            rich_help_panel=SPACE,
        ),
    ] = None
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="Start the embedded Space, ask it, and stop it. Works offline.",
            rich_help_panel=SPACE,
        ),
    ] = False
    gguf: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The model for the embedded Space, such as a Qwen2.5 Instruct GGUF. "
            "The default is a small stand-in, not Qwen.",
            rich_help_panel=SPACE,
        ),
    ] = None
    context: Annotated[
        int | None,
        typer.Option(
            metavar="TOKENS",
            help="Limit for a conversation with the embedded Space, replies included. The default "
            "is half of the model's own, as two replies are written at once.",
            rich_help_panel=SPACE,
        ),
    ] = None
    reasoning_tags: Annotated[
        bool | None,
        typer.Option(
            help="Whether text between tags such as <think> is reasoning, and not part of the "
            "reply. The default depends on the model.",
        ),
    ] = None
    api_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The Space's endpoint, by name or number, where several could be meant.",
            rich_help_panel=SPACE,
        ),
    ] = None
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="QWEN_GRADIO_API_KEY",
            help="Hugging Face token for a Space that requires one. Visible in the process list; "
            "prefer the environment variable.",
            rich_help_panel=SPACE,
        ),
    ] = None
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            help="Login for a Gradio app that requires one.",
            rich_help_panel=SPACE,
        ),
    ] = None
    headers: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            metavar="NAME=VALUE",
            help="Send this header with every request; NAME: VALUE also works. Visible in the "
            "process list. Repeatable.",
            rich_help_panel=SPACE,
        ),
    ] = None
    proxy: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Proxy for every request.", rich_help_panel=SPACE),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Limit for the complete reply.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    stream_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Limit for the wait until the next update.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    max_retries: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="How often to ask again if the Space did not accept a question.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=_start_logging,
            help="Log steps, retries, waiting and, for `api`, requests. Never texts or keys.",
        ),
    ] = False

    def to_arguments(self) -> dict[str, Any]:
        """Return the arguments of `Chat` and `batch.run` that were given."""
        names = {field.name for field in fields(self)} - {"local", "gguf", "context", "verbose"}
        given = {name: getattr(self, name) for name in names} | self.to_access()
        given["inputs"] = dict(map(_input_from, self.inputs or []))
        with _wrong_usage_of("--model"):
            provider = provider_of(self.model)
        return {
            "provider": provider,
            **{name: value for name, value in given.items() if value is not None},
        }

    def to_access(self) -> dict[str, Any]:
        """Return the arguments of `Access.to`, besides the Space."""
        if self.proxy:
            with _wrong_usage_of("--proxy"):
                checked_proxy(self.proxy)
        return {
            "api_key": self.api_key,
            "proxy": self.proxy,
            "auth": None if self.auth is None else _login_from(self.auth),
            "headers": _headers_from(self.headers or []),
        }


def with_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these fields of `Options`, or all, as options after those it declares.

    It gets them as its argument `options`, in which the others have their defaults.
    """
    declared = inspect.signature(Options, eval_str=True).parameters
    shared = [declared[name] for name in names or declared]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(command, eval_str=True).parameters.values()
        own = [parameter for parameter in parameters if parameter.name != "options"]

        def run(**given: Any) -> None:
            options = Options(**{parameter.name: given.pop(parameter.name) for parameter in shared})
            command(options=options, **given)

        signature = inspect.Signature([*own, *shared])
        run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _login_from(auth: str) -> tuple[str, str]:
    user, colon, password = auth.partition(":")
    if not colon:
        raise typer.BadParameter("must be USER:PASSWORD", param_hint="--auth")
    return user, password


@contextmanager
def _wrong_usage_of(option: str) -> Iterator[None]:
    """Report what a check of the package rejects as wrong usage of the command."""
    try:
        yield
    except ValueError as error:
        why = str(error).removeprefix("headers: ")
        raise typer.BadParameter(why, param_hint=option) from None


def _headers_from(given: list[str]) -> dict[str, str]:
    try:
        headers = dict(re.split("[=:]", header, maxsplit=1) for header in given)
    except ValueError:
        raise typer.BadParameter("must be NAME=VALUE", param_hint="--header") from None
    headers = {name.strip(): value.strip() for name, value in headers.items()}
    with _wrong_usage_of("--header"):
        checked_headers(headers)
    return headers


def _input_from(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter("must be NAME=VALUE", param_hint="--input")
    return name, json_or_text(value)


@contextmanager
def arguments_to_ask(options: Options) -> Iterator[dict[str, Any]]:
    """Give the arguments to ask with; the embedded Space, if it is to be asked, runs meanwhile."""
    arguments = options.to_arguments()
    if options.local and options.space is not None:
        raise typer.BadParameter("--local and --space cannot be used together")
    for name in ("gguf", "context"):
        if getattr(options, name) is not None and not options.local:
            raise typer.BadParameter(f"--{name} requires --local")
    if not options.local:
        yield arguments
        return
    with embedded_space(
        gguf=options.gguf, context=options.context, max_tokens=options.max_tokens
    ) as url:
        yield {**arguments, "space": url}


@contextmanager
def embedded_space(**options: Any) -> Iterator[str]:
    """Run the embedded Space. If it cannot start, exit with code 1 and one line of explanation."""
    from ..local import running

    with ExitStack() as stack:
        try:
            with notes().status("Starting the embedded Space"):
                url = stack.enter_context(running(**options))
        except (ModuleNotFoundError, OSError, ValueError) as error:
            fail(str(error))
        yield url
