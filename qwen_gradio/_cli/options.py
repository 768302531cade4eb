"""Declare the options that commands share, and convert them to arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from .._access import Access
from .._messages import History
from .._models import provider_of, providers
from .._options import json_or_text
from .terminal import fail, log_to_notes, notes

SPACE, LIMITS = "The Space", "Limits"
"""Headings of the help pages."""


def option(
    help: str,  # noqa: A002  # as in Typer
    metavar: str | None = None,
    *names: str,
    panel: str | None = None,
    **more: Any,
) -> Any:
    """Declare an option. Without `names`, its name is that of the parameter."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)


SaveOption: TypeAlias = Annotated[
    Path | None,
    option("Save files of replies in this directory.", "DIR", "--save", file_okay=False),
]
FilesOption: TypeAlias = Annotated[
    list[str] | None,
    option(
        "A picture or other file to send with the question: a path, or an https URL that the Space "
        "reads. Repeatable.",
        "FILE",
        "--attach",
        "-a",
    ),
]
JsonOption: TypeAlias = Annotated[bool, option("Write one JSON object.", None, "--json")]


def _models_starting_with(incomplete: str) -> list[str]:
    models = (name for provider in providers().values() for name in provider.get_models())
    return [name for name in models if name.startswith(incomplete)]


def _start_logging(is_wanted: bool) -> bool:
    if is_wanted:
        log_to_notes()
    return is_wanted


@dataclass(frozen=True)
class Options:
    """The options of all commands that ask. Some commands only have a few of them."""

    model: Annotated[
        str | None,
        option(
            "The model; `models` lists them.",
            "NAME",
            "--model",
            "-m",
            autocompletion=_models_starting_with,
        ),
    ] = None
    system: Annotated[str | None, option("The system prompt.", "TEXT")] = None
    history: Annotated[
        History | None,
        option(
            "How to send earlier turns: in the question, or in the Space's own history, which is "
            "the default of `chat` and `api`."
        ),
    ] = None
    temperature: Annotated[
        float | None, option("Passed to Spaces that have an input for it.", "T", min=0)
    ] = None
    max_tokens: Annotated[
        int | None,
        option(
            "Limit for a reply. Passed to Spaces that have an input for it. The embedded Space "
            "always applies it.",
            "N",
            min=1,
        ),
    ] = None
    inputs: Annotated[
        list[str] | None,
        option(
            "The value, as JSON or else text, of another input that `inspect` lists. Repeatable.",
            "NAME=VALUE",
            "--input",
        ),
    ] = None
    space: Annotated[
        str | None,
        option(
            "The Space: owner/name or URL. The default is $QWEN_GRADIO_SPACE or the model's.",
            "SPACE",
            panel=SPACE,
        ),
    ] = None
    local: Annotated[
        bool,
        option("Ask the embedded Space, which works offline.", None, "--local", panel=SPACE),
    ] = False
    gguf: Annotated[
        Path | None,
        option(
            "The model for the embedded Space, such as a Qwen2.5 Instruct GGUF. The default is a "
            "small stand-in, not Qwen.",
            "FILE",
            panel=SPACE,
        ),
    ] = None
    context: Annotated[
        int | None,
        option(
            "Limit for a conversation with the embedded Space, including replies. The default is "
            "half of the model's own limit.",
            "TOKENS",
            panel=SPACE,
        ),
    ] = None
    reasoning_tags: Annotated[
        bool | None,
        option(
            "Whether text between tags such as <think> is reasoning, and not part of the reply. "
            "The default depends on the model."
        ),
    ] = None
    api_name: Annotated[
        str | None,
        option(
            "The name or number of the endpoint to ask, if the Space has several.",
            "NAME",
            panel=SPACE,
        ),
    ] = None
    api_key: Annotated[
        str | None,
        option(
            "Hugging Face token for a Space that requires one. Visible in the process list; prefer "
            "the environment variable.",
            "TOKEN",
            "--api-key",
            "--token",
            envvar="QWEN_GRADIO_API_KEY",
            panel=SPACE,
        ),
    ] = None
    auth: Annotated[
        str | None,
        option("Login for a Gradio app that requires one.", "USER:PASSWORD", panel=SPACE),
    ] = None
    headers: Annotated[
        list[str] | None,
        option(
            "Send this header with every request; NAME: VALUE also works. Visible in the process "
            "list. Repeatable.",
            "NAME=VALUE",
            "--header",
            panel=SPACE,
        ),
    ] = None
    proxy: Annotated[str | None, option("Proxy for every request.", "URL", panel=SPACE)] = None
    timeout: Annotated[
        float | None, option("Limit for the complete reply.", "SECONDS", min=0, panel=LIMITS)
    ] = None
    stream_timeout: Annotated[
        float | None,
        option("Limit for the wait until the next update.", "SECONDS", min=0, panel=LIMITS),
    ] = None
    max_retries: Annotated[
        int | None,
        option(
            "How often to ask again if the Space did not accept a question.",
            "N",
            min=0,
            panel=LIMITS,
        ),
    ] = None
    verbose: Annotated[
        bool,
        option(
            "Log steps, retries, waits and, for `api`, requests. Never logs texts or keys.",
            None,
            "--verbose",
            "-v",
            callback=_start_logging,
        ),
    ] = False

    def to_arguments(self) -> dict[str, Any]:
        """Return the given options as arguments of `Chat` and `batch.run`."""
        names = {field.name for field in fields(self)} - {"local", "gguf", "context", "verbose"}
        given = {name: getattr(self, name) for name in names} | self.to_access()
        inputs = _pairs(self.inputs, "--input", "=")
        given["inputs"] = {name: json_or_text(value) for name, value in inputs.items()}
        with _wrong_usage():
            given["provider"] = provider_of(self.model)
        return {name: value for name, value in given.items() if value is not None}

    def to_access(self) -> dict[str, Any]:
        """Return the arguments of `Access.parse` except the Space."""
        headers = _pairs(self.headers, "--header", "[=:]")
        headers = {name.strip(): value.strip() for name, value in headers.items()}
        access: dict[str, Any] = {"proxy": self.proxy, "auth": self.auth, "headers": headers}
        with _wrong_usage():
            Access.parse("any/space", **access)
        return {"api_key": self.api_key, **access}


def with_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add fields of `Options`, by default all, to a command's own options.

    The command gets them as its argument `options`. Fields it does not have are at their defaults.
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


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """Translate the package's `ValueError` to wrong usage of the command."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _pairs(given: list[str] | None, option: str, separator: str) -> dict[str, str]:
    try:
        return dict(re.split(separator, each, maxsplit=1) for each in given or [])
    except ValueError:
        raise typer.BadParameter("must be NAME=VALUE", param_hint=option) from None


@contextmanager
def arguments_to_ask(options: Options) -> Iterator[dict[str, Any]]:
    """Yield the arguments to ask with. With `--local`, run the embedded Space meanwhile."""
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
    """Run the embedded Space, and yield its URL. If it cannot start, exit with code 1."""
    from ..local import running

    with ExitStack() as stack:
        try:
            with notes().status("Starting the embedded Space"):
                url = stack.enter_context(running(**options))
        except (ModuleNotFoundError, OSError, ValueError) as error:
            fail(str(error))
        yield url
