"""The types of a question's options, and checks of their values. Nothing here does I/O.

`Provider.create_async_generator` declares each option with its default and description. The
`TypedDict`s here annotate the `**options` of functions that pass options on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from typing_extensions import TypedDict  # pydantic requires it before Python 3.12

from ._access import Auth, Secret
from ._files.reading import Files
from ._messages import History
from ._page.tags import THOUGHT_TAGS
from ._reply import StreamStatus

if TYPE_CHECKING:
    from ssl import SSLContext
else:
    SSLContext = Any  # slow to import, and only needed by callers who have imported it


ReasoningTags: TypeAlias = bool | Sequence[tuple[str, str]]
"""Pairs of tags that enclose reasoning; True for the usual ones, False for none."""


class Sampling(TypedDict, total=False):
    """Options passed to Spaces that have an input for them."""

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
    """The options of `Chat`, which declares `space` itself."""

    max_retries: float


class BatchOptions(_CommonOptions, total=False):
    """The options of a batch, which declares `max_retries` itself."""

    space: str | None


class Options(ChatOptions, BatchOptions, total=False):
    """All options except `files`, which belong to one question."""


class QuestionOptions(Options, total=False):
    """All options of `Provider.create_async_generator`."""

    files: Files | None


class _Rule(NamedTuple):
    """A validation rule: a description, the types and, for numbers, the minimum."""

    what: str
    types: tuple[type, ...]
    minimum: float | None = None
    is_optional: bool = True


_WHOLE = _Rule("a whole number", (Integral,))
_NUMBER = _Rule("a number", (Real,))
_FLAG = _Rule("True or False", (bool,))
_RULES = {
    "model space proxy system": _Rule("text", (str,)),
    "api_key oauth_token": _Rule("text", (str, Secret)),
    "auth": _Rule('(user, password) or "user:password"', (tuple, list, str, Secret)),
    "timeout stream_timeout give_up_after": _Rule("a number of seconds", (Real,), 0),
    "max_retries": _Rule("a number, such as 0 or math.inf", (Real,), 0, is_optional=False),
    "on_status on_reasoning": _Rule("a function", (Callable,)),  # type: ignore[arg-type]
    "inputs headers": _Rule("a mapping, such as a dict", (Mapping,)),
    "api_name": _Rule("an endpoint's name or number", (str, Integral)),
    "temperature top_p min_p": _NUMBER._replace(minimum=0),
    "presence_penalty frequency_penalty": _NUMBER,
    "max_tokens thinking_budget max_concurrency": _WHOLE._replace(minimum=1),
    "seed top_k": _WHOLE,
    "enable_thinking keep": _FLAG,
    "prompts": _Rule("a file or a list", (str, PathLike, Iterable), is_optional=False),
    "out": _Rule("the path of a file", (str, PathLike), is_optional=False),
    "concurrency": _WHOLE._replace(minimum=1, is_optional=False),
    "retry_errors progress": _FLAG._replace(is_optional=False),
}
RULES = {name: rule for names, rule in _RULES.items() for name in names.split()}
"""The rule for each parameter of that name. Parameters without a rule are checked on use."""


def json_or_text(value: str) -> Any:
    """Parse text as JSON; return it unchanged if it is not JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def to_pairs(reasoning_tags: ReasoningTags) -> tuple[tuple[str, str], ...]:
    """Return the option as pairs of tags.

    :raises TypeError: if it is neither a bool nor pairs of tags.
    """
    if isinstance(reasoning_tags, bool):
        return THOUGHT_TAGS if reasoning_tags else ()
    # Lists only: an iterator would be empty at the next question.
    if isinstance(reasoning_tags, (list, tuple)) and all(map(_is_pair, reasoning_tags)):
        return tuple((start, end) for start, end in reasoning_tags)
    raise TypeError("reasoning_tags must be True, False or pairs of tags")


def _is_pair(tags: object) -> bool:
    match tags:
        case [str(start), str(end)]:
            return bool(start and end)
    return False


def require(**given: object) -> None:
    """Check parameters that have a rule.

    :raises TypeError: with the name of the first parameter of a wrong type.
    :raises ValueError: with the name of the first number that is too small or NaN.
    """
    for name, value in given.items():
        if (rule := RULES.get(name)) is None or (value is None and rule.is_optional):
            continue
        is_bool_as_number = isinstance(value, bool) and bool not in rule.types
        if not isinstance(value, rule.types) or is_bool_as_number:
            found = "None" if value is None else type(value).__name__
            raise TypeError(f"{name} must be {rule.what}, not {found}")
        # `not >=` instead of `<` also rejects NaN.
        if rule.minimum is not None and not value >= rule.minimum:  # type: ignore[operator]
            raise ValueError(f"{name} must be {rule.minimum} or more, not {value}")
