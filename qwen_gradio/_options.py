"""The options of a question: their types, for type checkers and at run time. Nothing here does I/O.

`Provider.create_async_generator` declares each of them with its default and description. What takes
`**options` and passes them on is typed with the `TypedDict`s here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from ._access import Auth, Secret
from ._files.reading import Files, is_files
from ._messages import History
from ._page.outputs import THOUGHT_TAGS
from ._reply import StreamStatus

if TYPE_CHECKING:
    from ssl import SSLContext
else:
    SSLContext = Any  # it takes long to import, and whoever has one has imported it


ReasoningTags: TypeAlias = bool | Sequence[tuple[str, str]]
"""Whether a model's tags enclose reasoning, or the pairs of tags that do."""


class Sampling(TypedDict, total=False):
    """Options that are given to a Space that has such inputs."""

    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    seed: int | None
    top_k: int | None
    min_p: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    enable_thinking: bool | None
    thinking_budget: int | None


class _CommonOptions(Sampling, total=False):
    proxy: str | None
    api_key: str | Secret | None
    auth: Auth | None
    timeout: float | None
    stream_timeout: float | None
    history: History
    on_status: Callable[[StreamStatus], object] | None
    inputs: Mapping[str, Any] | None
    api_name: str | int | None
    on_reasoning: Callable[[str], object] | None
    headers: Mapping[str, str] | None
    oauth_token: str | Secret | None
    ssl_verify: bool | SSLContext
    reasoning_tags: ReasoningTags | None


class ChatOptions(_CommonOptions, total=False):
    """The options of `Chat`, whose `space` is a parameter of its own."""

    max_retries: float


class BatchOptions(_CommonOptions, total=False):
    """The options of a batch, whose `max_retries` is a parameter of its own."""

    space: str | None


class Options(ChatOptions, BatchOptions, total=False):
    """The options that may be the same for many questions, and the inputs that Spaces may have."""


class QuestionOptions(Options, total=False):
    """All options of `Provider.create_async_generator`."""

    files: Files | None


class _Rule(NamedTuple):
    """What an option may be: in words, by type, and if it is a number, at least."""

    what: str
    has_type: Callable[[Any], bool]
    least: float | None = None


def _is(*types: type) -> Callable[[Any], bool]:
    """Return a check for these types, of which a bool is no number."""
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _or_none(rule: _Rule) -> _Rule:
    return rule._replace(has_type=lambda value: value is None or rule.has_type(value))


def _is_auth(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) == 2 and all(map(SECRET.has_type, value))
    return SECRET.has_type(value)


def _is_prompts(value: Any) -> bool:
    return isinstance(value, (str, PathLike, Iterable)) and not isinstance(value, bytes)


def _is_reasoning_tags(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    return isinstance(value, (list, tuple)) and all(
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and all(isinstance(tag, str) and tag for tag in pair)
        for pair in value
    )


def _is_ssl_verify(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    import ssl  # slow, and here only if a caller imported it

    return isinstance(value, ssl.SSLContext)


TEXT = _Rule("text", _is(str))
SECRET = _Rule("text", _is(str, Secret))
FLAG = _Rule("True or False", _is(bool))
NUMBER = _Rule("a number", _is(Real), least=0)
WHOLE = _Rule("a whole number", _is(Integral), least=1)
SECONDS = _Rule("a number of seconds", _is(Real), least=0)
MAPPING = _Rule("a mapping, such as a dict", _is(Mapping))
CALLBACK = _Rule("a function", callable)

RULES: dict[str, _Rule] = {
    "model": _or_none(TEXT),
    "proxy": _or_none(TEXT),
    "space": _or_none(TEXT),
    "api_key": _or_none(SECRET),
    "auth": _or_none(_Rule('(user, password) or "user:password"', _is_auth)),
    "timeout": _or_none(SECONDS),
    "stream_timeout": _or_none(SECONDS),
    "max_retries": _Rule("a number, such as 0 or math.inf", _is(Real), least=0),
    "history": _Rule('"flat" or "native"', _is(str)),
    "on_status": _or_none(CALLBACK),
    "inputs": _or_none(MAPPING),
    "api_name": _or_none(_Rule("an endpoint's name or number", _is(str, Integral))),
    "on_reasoning": _or_none(CALLBACK),
    "headers": _or_none(MAPPING),
    "oauth_token": _or_none(SECRET),
    "ssl_verify": _Rule("True, False or an ssl.SSLContext", _is_ssl_verify),
    "reasoning_tags": _or_none(_Rule("True, False or pairs of tags", _is_reasoning_tags)),
    "files": _or_none(_Rule("a path, a URL, bytes, an open file, or a list of these", is_files)),
    "temperature": _or_none(NUMBER),
    "max_tokens": _or_none(WHOLE),
    "top_p": _or_none(NUMBER),
    "seed": _or_none(_Rule("a whole number", _is(Integral))),
    "top_k": _or_none(_Rule("a whole number", _is(Integral))),
    "min_p": _or_none(NUMBER),
    "presence_penalty": _or_none(_Rule("a number", _is(Real))),
    "frequency_penalty": _or_none(_Rule("a number", _is(Real))),
    "enable_thinking": _or_none(FLAG),
    "thinking_budget": _or_none(WHOLE),
    # Of a conversation and of a batch:
    "system": _or_none(TEXT),
    "prompts": _Rule("a file or a list", _is_prompts),
    "out": _Rule("the path of a file", _is(str, PathLike)),
    "concurrency": WHOLE,
    "max_concurrency": _or_none(WHOLE),
    "retry_errors": FLAG,
    "keep": _or_none(FLAG),
    "give_up_after": _or_none(SECONDS),
    "progress": FLAG,
}
"""What each parameter may be, wherever it is taken."""


def json_or_text(value: str) -> Any:
    """Return a value that was given as text, which is JSON or else itself."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def to_pairs(reasoning_tags: ReasoningTags) -> tuple[tuple[str, str], ...]:
    """Return the pairs of tags that the option stands for."""
    if isinstance(reasoning_tags, bool):
        return THOUGHT_TAGS if reasoning_tags else ()
    return tuple((start, end) for start, end in reasoning_tags)


def require(**given: object) -> None:
    """Check parameters by name; those without a rule may be anything.

    :raises TypeError: naming the first that has a wrong type.
    :raises ValueError: naming the first that is too small or not a number.
    """
    for name, value in given.items():
        if (rule := RULES.get(name)) is None:
            continue
        if not rule.has_type(value):
            found = "None" if value is None else type(value).__name__
            raise TypeError(f"{name} must be {rule.what}, not {found}")
        # nan is not at least anything, either
        if rule.least is not None and value is not None and not value >= rule.least:  # type: ignore[operator]
            raise ValueError(f"{name} must be {rule.least} or more, not {value}")
