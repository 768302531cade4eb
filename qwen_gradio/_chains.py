"""What Spaces are called, take and return. Nothing here does I/O.

What a Space takes and returns is read from what the app tells of itself, so that `space=` takes any
Gradio chat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ._messages import Prompt, Turn, as_messages, as_pairs, as_parts
from .errors import SpaceInterfaceError

PROTOCOLS = ("sse_v1", "sse_v2", "sse_v2.1", "sse_v3")
CHAT_NAMES = ("model_chat", "chat", "respond", "bot", "predict", "generate", "ask")
"""What authors call a chat's endpoint, the surest names first."""
QUERY_NAMES = ("query", "message", "msg", "prompt", "question", "user_message", "user_input")
TEXT_BOXES = ("Textbox", "Multimodaltextbox")
TEXT_OUTPUTS = ("textbox", "markdown", "json", "html", "label", "code")
"""Where a reply without a chatbot is found; chat interfaces of Gradio 5 and 6 return JSON."""

Use: TypeAlias = Literal["query", "history", "system", "default"]
Form: TypeAlias = Literal["pairs", "messages", "parts"]
HISTORY: Mapping[Form, Callable[[Sequence[Turn]], list[Any]]] = {
    "pairs": as_pairs,
    "messages": as_messages,
    "parts": as_parts,
}


@dataclass(frozen=True)
class Parameter:
    """One of an endpoint's parameters.

    :ivar use: what it is given: the query, the history, the system prompt, or its own default.
    """

    name: str
    label: str
    component: str
    use: Use
    default: Any = field(default=None, compare=False)
    has_default: bool = False

    def is_called(self, name: str) -> bool:
        """Whether a caller may mean this one by `name`: `max_tokens` is also "Max new tokens"."""
        return _plain(name) in (_plain(self.name), _plain(self.label))


@dataclass(frozen=True)
class ChatEndpoint:
    """A chat that a Space offers: how it is called, and where its reply is.

    :ivar fn_index: the endpoint's number, by which it is called.
    :ivar form: in which of Gradio's forms its history holds the turns.
    :ivar reply: which of its outputs holds the reply.
    """

    fn_index: int
    api_name: str
    parameters: tuple[Parameter, ...]
    form: Form
    reply: int

    def arguments(self, prompt: Prompt) -> list[Any]:
        """What this endpoint is called with, one value for each of its parameters.

        :raises SpaceInterfaceError: if `prompt.inputs` has one that this endpoint has not.
        """
        if unknown := self.not_called(prompt.inputs):
            raise SpaceInterfaceError(f"There is no input {unknown[0]!r} in {self}")
        uses = {parameter.use for parameter in self.parameters}
        query, turns = prompt.query_and_history(history="history" in uses, system="system" in uses)
        if "query" not in uses:  # then the question is the last turn of the history
            turns = (*turns, ("user", query))
        values = {
            "history": HISTORY[self.form](turns),
            "system": prompt.default_system if prompt.system is None else prompt.system,
        }

        def value(parameter: Parameter) -> Any:
            for name, given in (*prompt.inputs.items(), *prompt.options.items()):
                if parameter.is_called(name):
                    return given
            if parameter.use == "query" and parameter.component == "Multimodaltextbox":
                return {"text": query, "files": []}
            if parameter.use == "query":
                return query
            return values.get(parameter.use, parameter.default)

        return [value(parameter) for parameter in self.parameters]

    def not_called(self, names: Iterable[str]) -> list[str]:
        """Those of the names that no parameter is called."""
        return [name for name in names if not any(p.is_called(name) for p in self.parameters)]

    def __str__(self) -> str:
        """How it is called, for people."""
        given = ", ".join(
            f"{p.name}={p.default!r}" if p.use == "default" else f"{p.name}=<{p.use}>"
            for p in self.parameters
        )
        return f"{self.api_name}({given})"


def chat_endpoint(config: Mapping[str, Any], info: Mapping[str, Any], url: str) -> ChatEndpoint:
    """Find a Space's chat in what the app tells of itself.

    :param config: the app's `/config`.
    :param info: the app's `/info`.
    :param url: the Space, for the error.
    :raises SpaceInterfaceError: if there is none that can be used; lists what there is.
    """
    require_protocol(config, url)
    chats = [
        endpoint
        for index, dependency in enumerate(config["dependencies"])
        if (endpoint := _as_chat(index, dependency, config, info["named_endpoints"])) is not None
    ]
    for name in CHAT_NAMES:
        for endpoint in chats:
            # Gradio numbers the names of functions that are used twice: /chat_1.
            if re.fullmatch(rf"/{name}(_\d+)?", endpoint.api_name):
                return endpoint
    if len(chats) == 1:
        return chats[0]
    which = "more than one endpoint that may be a chat" if chats else "no chat that can be used"
    raise SpaceInterfaceError(f"{url} offers {which}. Found: {_described(info)}")


def require_protocol(config: Mapping[str, Any], url: str) -> None:
    """Reject apps of a Gradio before 4.2.

    :raises SpaceInterfaceError: naming the protocol.
    """
    if config.get("protocol") not in PROTOCOLS:
        raise SpaceInterfaceError(
            f"{url} speaks the protocol {config.get('protocol')!r}, of a Gradio before 4.2"
        )


def _as_chat(
    index: int, dependency: Mapping[str, Any], config: Mapping[str, Any], info: Mapping[str, Any]
) -> ChatEndpoint | None:
    """An endpoint as a chat, or None if it is not one."""
    api_name = f"/{dependency.get('api_name')}"
    if api_name not in info:
        return None
    components = {component["id"]: component for component in config["components"]}
    parameters = _parameters(info[api_name]["parameters"])
    uses = [parameter.use for parameter in parameters]
    outputs = [(output, components[output]["type"]) for output in dependency["outputs"]]
    chatbots = [n for n, (_, kind) in enumerate(outputs) if kind == "chatbot"]
    # A text box that is an input as well is mostly there to be emptied, so it comes last.
    texts = [n for n, (_, kind) in enumerate(outputs) if kind in TEXT_OUTPUTS]
    texts.sort(key=lambda n: outputs[n][0] in dependency["inputs"])
    lacking = any(p.use == "default" and not p.has_default for p in parameters)
    if not ("query" in uses or "history" in uses) or not (chatbots or texts) or lacking:
        return None
    chatbots_of_app = [c for c in components.values() if c["type"] == "chatbot"]
    fn_index = dependency.get("id", index)
    return ChatEndpoint(
        fn_index, api_name, parameters, _form(chatbots_of_app, config), (chatbots + texts)[0]
    )


def _parameters(told: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    """An endpoint's parameters, each with what it is to be given."""
    texts = [p for p in told if p["component"] in TEXT_BOXES and "system" not in _words(p)]
    named = [p for p in texts if p.get("parameter_name") in QUERY_NAMES]
    query = next(iter(named or texts), None)

    def use(parameter: Mapping[str, Any]) -> Use:
        if parameter is query:
            return "query"
        if parameter["component"] == "Chatbot":
            return "history"
        if parameter["component"] == "Textbox" and "system" in _words(parameter):
            return "system"
        return "default"

    def described(parameter: Mapping[str, Any]) -> Parameter:
        is_text = parameter["component"] in TEXT_BOXES
        return Parameter(
            name=str(parameter.get("parameter_name") or parameter.get("label")),
            label=str(parameter.get("label")),
            component=parameter["component"],
            use=use(parameter),
            default=parameter.get("parameter_default", "" if is_text else None),
            has_default=is_text or bool(parameter.get("parameter_has_default")),
        )

    return tuple(map(described, told))


def _words(parameter: Mapping[str, Any]) -> str:
    return f"{parameter.get('parameter_name')} {parameter.get('label')}".lower()


def _plain(name: str) -> str:
    """A name without what authors write differently: Max new tokens, max_new_tokens, max_tokens."""
    return re.sub(r"[^a-z0-9]|new", "", name.lower())


def _form(chatbots: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> Form:
    version = re.match(r"\d+", str(config.get("version", "")))
    if version and int(version[0]) >= 6:
        return "parts"
    # From 4.44 on they say which it is ("tuples" are pairs); before, there were only pairs.
    told = [chatbot.get("props", {}).get("type") for chatbot in chatbots]
    return "messages" if "messages" in told else "pairs"


def _described(info: Mapping[str, Any]) -> str:
    found = [
        f"{api_name}({', '.join(str(p.get('parameter_name')) for p in endpoint['parameters'])})"
        for api_name, endpoint in info["named_endpoints"].items()
    ]
    return "; ".join(found) or "no named endpoint"
