"""What a Space says about itself, in `/config` and `/info`. Nothing here does I/O.

Whatever has another form than Gradio's counts as absent, so that reading never fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

TEXT_INPUTS = ("textbox", "textarea", "multimodalinput", "sender")
"""How the types of components end in which a user writes text, in Gradio and its families."""
TEXT_OUTPUTS = ("textbox", "markdown", "json", "html", "code")
"""Where a reply without a chatbot is found; chat interfaces of Gradio 5 and 6 return JSON."""
T = TypeVar("T")


@dataclass(frozen=True)
class Component:
    """A component of the page, and all that it is called."""

    id: int
    kind: str
    props: Mapping[str, Any]
    names: tuple[str, ...]

    @property
    def is_state(self) -> bool:
        return self.kind == "state"

    @property
    def is_chatbot(self) -> bool:
        return self.kind.endswith("chatbot")

    @property
    def is_multimodal(self) -> bool:
        return "multimodal" in self.kind

    @property
    def is_text_input(self) -> bool:
        if self.kind == "api":
            return self._api_type == "string"
        return self.kind.endswith(TEXT_INPUTS) and self.props.get("type") != "password"

    @property
    def is_text_output(self) -> bool:
        if self.kind == "api":  # an iterator of strings has no type
            return self._api_type in ("string", "")
        return self.kind.endswith(TEXT_OUTPUTS) and not self.is_multimodal

    @property
    def _api_type(self) -> str:
        """The type of a parameter or result of a `gr.api` function, which no page shows."""
        info: dict[str, Any] = get(self.props, "_api_info", dict, {})
        return str(get(info, "type", str, ""))

    @property
    def is_system_prompt(self) -> bool:
        return self.is_text_input and any(
            re.search(r"system|sys[_ ]?prompt|系统", name, re.IGNORECASE) for name in self.names
        )

    @property
    def has_value(self) -> bool:
        return self.value not in (None, "", [], {})

    @property
    def value(self) -> Any:
        """What it holds when the page opens. State is None: the Space keeps it, by session hash."""
        value = None if self.is_state else self.props.get("value")
        if value is not None:
            return value
        if self.is_chatbot:
            return []
        if self.is_multimodal:
            return {"text": "", "files": []}
        if self.kind == "json":
            return {}
        return "" if self.is_text_input else None


@dataclass(frozen=True)
class Function:
    """A function of the app, which `/config` calls a dependency.

    :ivar api_name: its name with a slash; None if it cannot be called by name.
    :ivar events: what triggers it: a component, None for the page, and the name of its event.
    :ivar after: the function at whose end it runs.
    :ivar is_called: whether the Space runs it; the others are JavaScript in the page.
    """

    index: int
    api_name: str | None
    events: tuple[tuple[int | None, str], ...]
    after: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_called: bool
    is_generator: bool

    @property
    def name(self) -> str:
        return self.api_name or f"function {self.index}"


class App:
    """The app behind a Space, as its components and functions.

    :ivar functions: in the order of `/config`, by number.
    :ivar followers: the functions that run at the end of one that has not failed, by its number.
    """

    def __init__(self, config: Any, info: Any) -> None:
        version = re.match(r"\d+", get(config, "version", str, ""))
        self.gradio = int(version[0][:9]) if version else 0
        endpoints = get(info, "named_endpoints", dict, {})
        self.functions: dict[int, Function] = {}
        self.followers: dict[int | None, list[Function]] = {}
        names: dict[int, list[str]] = {}
        components = [
            (id_, get(entry, "type", str, ""), get(entry, "props", dict, {}))
            for entry in get(config, "components", list, [])
            if (id_ := get(entry, "id", int, None)) is not None
        ]
        kinds = {id_: kind for id_, kind, _ in components}
        for position, entry in enumerate(get(config, "dependencies", list, [])):
            function = _function(entry, position, endpoints)
            self.functions.setdefault(function.index, function)
            if not get(entry, "trigger_only_on_failure", bool, False):
                self.followers.setdefault(function.after, []).append(function)
            parameters = get(endpoints.get(function.api_name), "parameters", list, [])
            for id_, parameter in _paired(function.inputs, kinds, parameters):
                names.setdefault(id_, []).extend(_names(parameter, "parameter_name", "label"))
        self._components = {
            id_: Component(
                id_,
                kind,
                props,
                tuple(dict.fromkeys(names.get(id_, []) + _names(props, "label", "elem_id"))),
            )
            for id_, kind, props in components
        }

    def __getitem__(self, component: int | None) -> Component:
        return self._components.get(component, Component(-1, "", {}, ()))

    def __contains__(self, component: int) -> bool:
        return component in self._components

    @property
    def chatbots(self) -> list[Component]:
        return [component for component in self._components.values() if component.is_chatbot]


def get(mapping: Any, key: str, kind: type[T], default: Any) -> Any:
    """Return `mapping[key]` if it is of this kind, else the default."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, kind) else default


def _function(entry: Any, position: int, endpoints: Mapping[str, Any]) -> Function:
    api_name = f"/{get(entry, 'api_name', str, '')}"
    events = tuple(
        (target[0] if isinstance(target[0], int) else None, target[1])
        for target in get(entry, "targets", list, [])
        if isinstance(target, list) and len(target) == 2 and isinstance(target[1], str)
    )
    types = get(entry, "types", dict, {})
    return Function(
        index=get(entry, "id", int, position),
        api_name=api_name if api_name in endpoints else None,
        events=events,
        after=get(entry, "trigger_after", int, None),
        inputs=tuple(i for i in get(entry, "inputs", list, []) if isinstance(i, int)),
        outputs=tuple(i for i in get(entry, "outputs", list, []) if isinstance(i, int)),
        is_called=get(entry, "backend_fn", bool, True),
        is_generator=get(types, "generator", bool, False),
    )


def _paired(
    inputs: tuple[int, ...], kinds: Mapping[int, str], parameters: list[Any]
) -> list[tuple[int, Any]]:
    """Pair inputs with the parameters of `/info`, which leaves out State and the like."""
    shown = {get(parameter, "component", str, "").lower() for parameter in parameters}
    paired = [component for component in inputs if kinds.get(component) in shown]
    return list(zip(paired, parameters, strict=True)) if len(paired) == len(parameters) else []


def _names(mapping: Any, *keys: str) -> list[str]:
    names = [get(mapping, key, str, "") for key in keys]
    # Gradio makes up a name where there is none, and leaves some to be translated by the page.
    return [name for name in names if name and not re.match(r"parameter_\d+$|__i18n__", name)]
