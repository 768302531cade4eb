"""What Spaces are called, take and return, as data. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from .errors import SpaceInterfaceError, SpaceUnavailableError
from .messages import Prompt, Turn, as_messages, as_pairs, as_parts

HUB_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/spaces/([^/?#]+/[^/?#]+)")
OWNER_AND_NAME = re.compile(r"[\w.-]+/[\w.-]+")

QWEN_2_5_MAX = "https://qwen-qwen2-5-max-demo.hf.space"
"""Qwen/Qwen2.5-Max-Demo."""

CHAT_ENDPOINTS = ("/model_chat", "/model_chat_1")
"""The Qwen demos' chat: Enter and the button run one function."""

PROTOCOLS = ("sse_v1", "sse_v2", "sse_v2.1", "sse_v3")
PARAMETERS = ("query", "history", "system")

Form: TypeAlias = Literal["pairs", "messages", "parts"]
HISTORY: Mapping[Form, Callable[[Sequence[Turn]], list[Any]]] = {
    "pairs": as_pairs,
    "messages": as_messages,
    "parts": as_parts,
}


@dataclass(frozen=True)
class Access:
    """Which Space is asked, and by what way: sessions with equal access share their connections."""

    space: str
    api_key: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ChatEndpoint:
    """A chat that a Space offers: how it is called and where its reply is.

    :ivar fn_index: the endpoint's number, by which it is called.
    :ivar form: in which of Gradio's forms its history holds the turns.
    :ivar reply: which of its outputs holds the reply.
    """

    fn_index: int
    api_name: str
    form: Form
    reply: int

    def arguments(self, prompt: Prompt) -> list[Any]:
        """What this endpoint is called with, one value for each of its parameters."""
        return [prompt.query, HISTORY[self.form](prompt.history), prompt.system]


def address_of(space: str) -> str:
    """A Space's URL without a trailing slash, or its `owner/name`, from either or its hub page.

    :raises SpaceUnavailableError: if it is none of them.
    """
    space = space.strip()
    if page := HUB_PAGE.match(space):
        return page[1]
    if OWNER_AND_NAME.fullmatch(space):
        return space
    if not is_url(space):
        raise SpaceUnavailableError(
            f'{space!r} is not a Space: give its "owner/name" or its URL with http:// or https://'
        )
    url = urlsplit(space)
    if url.username is not None:  # which must not get into messages
        raise SpaceUnavailableError("A Space's URL cannot have a user in it: give auth instead")
    return urlunsplit((url.scheme, url.netloc, url.path, "", "")).rstrip("/")


def is_url(space: str) -> bool:
    """Whether a Space is given by its URL."""
    return space.lower().startswith(("http://", "https://"))


def chat_endpoint(config: Mapping[str, Any], info: Mapping[str, Any], url: str) -> ChatEndpoint:
    """Find a Space's chat in what the app tells of itself.

    :param config: the app's `/config`.
    :param info: the app's `/info`.
    :param url: the Space, for the error.
    :raises SpaceInterfaceError: if there is none that can be used; lists what there is.
    """
    if config.get("protocol") not in PROTOCOLS:
        raise SpaceInterfaceError(
            f"{url} speaks the protocol {config.get('protocol')!r}, of a Gradio before 4.2"
        )
    components = {component["id"]: component for component in config["components"]}
    for index, dependency in enumerate(config["dependencies"]):
        api_name = f"/{dependency.get('api_name')}"
        endpoint = info["named_endpoints"].get(api_name)
        if api_name not in CHAT_ENDPOINTS or endpoint is None:
            continue
        names = tuple(parameter.get("parameter_name") for parameter in endpoint["parameters"])
        outputs = [components[output] for output in dependency["outputs"]]
        chatbots = [n for n, output in enumerate(outputs) if output["type"] == "chatbot"]
        if names == PARAMETERS and chatbots:
            form = _form(outputs[chatbots[0]], config)
            return ChatEndpoint(dependency.get("id", index), api_name, form, chatbots[0])
    raise SpaceInterfaceError(
        f"{url} offers no chat that can be used. Wanted: {CHAT_ENDPOINTS[0]}"
        f"({', '.join(PARAMETERS)}) with a chatbot as an output; found: {_described(info)}"
    )


def _form(chatbot: Mapping[str, Any], config: Mapping[str, Any]) -> Form:
    if _major_version(config) >= 6:
        return "parts"
    # From 4.44 on they say which it is ("tuples" are pairs); before, there were only pairs.
    return "messages" if chatbot.get("props", {}).get("type") == "messages" else "pairs"


def _major_version(config: Mapping[str, Any]) -> int:
    digits = re.match(r"\d+", str(config.get("version", "")))
    return int(digits[0]) if digits else 0


def _described(info: Mapping[str, Any]) -> str:
    found = [
        f"{api_name}({', '.join(str(p.get('parameter_name')) for p in endpoint['parameters'])})"
        for api_name, endpoint in info["named_endpoints"].items()
    ]
    return "; ".join(found) or "no named endpoint"
