"""A Space's own description, from `/config` and `/info`. Nothing here does I/O.

Values of an unexpected type are treated as missing, so parsing never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .bounds import Bounds

TEXT_INPUTS = ("textbox", "textarea", "multimodalinput", "sender")
"""Suffixes of the types of components that take text, in Gradio and in component families."""
TEXT_OUTPUTS = ("textbox", "markdown", "json", "html", "code")
"""Suffixes of the types that may show a reply. Chat interfaces of Gradio 5 and 6 return JSON."""
CHATBOTS = ("chatbot", "bubblelist")
"""Suffixes of the types that show a chat. A bubble list has the chat in `items`."""
MISSING = "missing"
"""The type of an entry added for a component that is not in `/config`."""
TABS = ("tabitem", "tabsitem")
TURNS_NAMES = ("history", "messages", "chathistory")
"""Names of the parameter of a `gr.api` function that takes the turns of a chat."""
Use: TypeAlias = Literal["query", "chat", "history", "system", "value", "upload", "earlier step"]


@dataclass(frozen=True)
class Component:
    """A component of the page.

    :ivar names: its names in `/info` and its labels.
    :ivar tabs: the positions and labels of the tabs around it, the outermost first; None if it is
        not on the page.
    :ivar is_required: whether `/info` declares no default for it.
    :ivar use: the source of its value in a plan: the query, all turns, earlier turns, the system
        prompt, its own value, files to upload (one value for each call), or an earlier step.
    """

    id: int
    kind: str
    props: Mapping[str, Any] = field(compare=False, repr=False)
    names: tuple[str, ...]
    tabs: tuple[tuple[int, str], ...] | None = field(default=None, compare=False)
    is_required: bool = field(default=False, compare=False)
    use: Use = "value"
    bounds: Bounds = field(default=Bounds(), compare=False)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else f"component {self.id}"

    def is_called(self, name: str) -> bool:
        """Return whether a caller may mean it by this name: `top_p` is "Top-p (nucleus)"."""
        short = (re.sub(r"\([^()]*\)", "", own).strip() or own for own in self.names)
        return normalize(name) in map(normalize, (*self.names, *short))

    @property
    def fields(self) -> list[str]:
        """The keys of the value, if this is a form."""
        return list(self.value) if self.use == "value" and isinstance(self.value, dict) else []

    def field_called(self, name: str) -> str | None:
        """Return the field of this form that a caller may mean by `name`, if any."""
        return next((key for key in self.fields if normalize(name) == normalize(key)), None)

    @property
    def is_state(self) -> bool:
        return self.kind == "state"

    @property
    def is_chatbot(self) -> bool:
        return self.kind.endswith(CHATBOTS)

    @property
    def is_visible(self) -> bool:
        return self.props.get("visible") not in (False, "hidden")

    @property
    def is_multimodal(self) -> bool:
        return "multimodal" in self.kind

    @property
    def is_text_input(self) -> bool:
        if self.kind == "api":
            return "string" in self.api_types
        return self.kind.endswith(TEXT_INPUTS) and self.props.get("type") != "password"

    @property
    def is_text_output(self) -> bool:
        if self.kind == "api":  # undeclared results and iterators have no type
            return not self.api_types or bool(self.api_types & {"string", "object", "array"})
        return self.kind.endswith(TEXT_OUTPUTS) and not self.is_multimodal

    @property
    def is_data(self) -> bool:
        """Whether this output has fields rather than text."""
        if self.kind == "api":
            return bool(self.api_types) and "string" not in self.api_types
        return self.kind == "json"

    @property
    def _schemas(self) -> list[Any]:
        """The JSON schema of a parameter or result of a `gr.api` function, with its variants."""
        info = get(self.props, "_api_info", dict)
        return [info, *get(info, "oneOf", list), *get(info, "anyOf", list)]

    @property
    def api_types(self) -> frozenset[str]:
        """The JSON types of a parameter or result of a `gr.api` function; empty on a page."""
        return frozenset(filter(None, (get(schema, "type", str) for schema in self._schemas)))

    @property
    def is_turns(self) -> bool:
        """Whether this parameter of a `gr.api` function is for the turns of a chat."""
        return self.kind == "api" and any(normalize(name) in TURNS_NAMES for name in self.names)

    @property
    def takes_turns(self) -> bool:
        """Whether that parameter may be a list."""
        return self.is_turns and (not self.api_types or "array" in self.api_types)

    @property
    def takes_pairs(self) -> bool:
        """Whether the items of that list are pairs, `[user, assistant]`."""
        items = (get(schema, "items", dict) for schema in self._schemas)
        return any(get(item, "type", str) == "array" for item in items)

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
        """The initial value on the page. State is None: the Space keeps it by session hash."""
        name = {"browserstate": "default_value"}.get(self.kind, "value")
        value = None if self.is_state else self.props.get(name)
        if value is None and self.kind.endswith("bubblelist"):
            value = self.props.get("items")
        if value is not None:
            return value
        if self.is_chatbot or self.takes_turns:
            return []
        if self.is_multimodal:
            return {"text": "", "files": []}
        if self.kind == "json":
            return {}
        return "" if self.is_text_input and "null" not in self.api_types else None


@dataclass(frozen=True)
class Function:
    """A function of the app, which `/config` calls a dependency.

    :ivar api_name: its name with a slash; None if it cannot be called by name.
    :ivar events: its triggers, as pairs of a component (None for the page) and an event's name.
    :ivar after: the function that it follows.
    :ivar prop_inputs: the positions of inputs that are sent with all properties (Gradio 6).
    :ivar draws: whether it returns components and functions instead of values (`gr.render`).
    :ivar is_called: whether it runs on the Space; other functions are JavaScript in the page.
    """

    index: int
    api_name: str | None
    events: tuple[tuple[int | None, str], ...]
    after: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    prop_inputs: tuple[int, ...]
    draws: bool
    is_called: bool
    is_generator: bool

    @property
    def name(self) -> str:
        return self.api_name or f"function {self.index}"


class App:
    """The components and functions of the app behind a Space.

    :ivar gradio: the major version of its Gradio.
    :ivar followers: the functions to run after a function has succeeded, by its number.
    """

    def __init__(self, config: Any, info: Any) -> None:
        version = re.match(r"\d+", get(config, "version", str))
        self.gradio = int(version[0][:9]) if version else 0
        self.max_file_bytes: int | None = get(config, "max_file_size", int, None)
        endpoints = get(info, "named_endpoints", dict)
        self.functions: dict[int, Function] = {}
        self.followers: dict[int | None, list[Function]] = {}
        names: dict[int, list[str]] = {}
        required: set[int] = set()
        components = [
            (id_, get(entry, "type", str), get(entry, "props", dict))
            for entry in get(config, "components", list)
            if (id_ := get(entry, "id", int, None)) is not None and entry.get("type") != MISSING
        ]
        kinds = {id_: kind for id_, kind, _ in components}
        for position, entry in enumerate(get(config, "dependencies", list)):
            function = _read_function(entry, position, endpoints)
            self.functions.setdefault(function.index, function)
            if not get(entry, "trigger_only_on_failure", bool):
                self.followers.setdefault(function.after, []).append(function)
            parameters = get(endpoints.get(function.api_name), "parameters", list)
            for id_, parameter in _pair_with_parameters(function.inputs, kinds, parameters):
                names.setdefault(id_, []).extend(_read_names(parameter, "parameter_name", "label"))
                if get(parameter, "parameter_has_default", bool, True) is False:
                    required.add(id_)
        labels = {
            id_: get(props, "label", str) for id_, kind, props in components if kind.endswith(TABS)
        }
        tabs = _find_tabs(get(config, "layout", dict), labels)
        self._components = {
            id_: Component(
                id_,
                kind,
                props,
                tuple(dict.fromkeys(names.get(id_, []) + _read_names(props, "label", "elem_id"))),
                tabs.get(id_),
                id_ in required,
            )
            for id_, kind, props in components
        }

    def __getitem__(self, component: int | None) -> Component:
        return self._components.get(component, Component(-1, "", {}, ()))

    def __contains__(self, component: int) -> bool:
        return component in self._components

    @property
    def missing(self) -> list[int]:
        """The components that functions take or return, but that are not in `/config`."""
        functions = self.functions.values()
        named = dict.fromkeys(i for f in functions for i in (*f.inputs, *f.outputs))
        return [i for i in named if i not in self]

    @property
    def chatbots(self) -> list[Component]:
        return [component for component in self._components.values() if component.is_chatbot]


def get(mapping: Any, key: str, kind: type, default: Any = ...) -> Any:
    """Return `mapping[key]` if it is of type `kind`; otherwise `default`, or `kind()`."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    if isinstance(value, kind):
        return value
    return kind() if default is ... else default


def add_missing(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `/config` with an entry for every component that a function takes or returns.

    gradio_client requires these entries. Some Spaces omit them, and their pages still work.
    """
    missing = [{"id": i, "type": MISSING, "props": {}} for i in App(config, {}).missing]
    return {**config, "components": [*get(config, "components", list), *missing]}


def add_drawn(config: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a `/config` with the components and functions that the page has drawn."""
    parts = [config, *drawn]
    added = [{"rendered_in": 0, **entry} for part in drawn for entry in _dependencies(part)]
    return {
        **config,
        "components": [each for part in parts for each in get(part, "components", list)],
        "dependencies": [*_dependencies(config), *added],  # Gradio 4 leaves out `rendered_in`
        "layout": {"children": [get(part, "layout", dict) for part in parts]},
    }


def _dependencies(config: Any) -> list[Any]:
    return [entry for entry in get(config, "dependencies", list) if isinstance(entry, dict)]


def normalize(name: str) -> str:
    """Normalize a name for comparison: "Max new tokens" and `max_tokens` are equal."""
    return re.sub(r"[\W_]|new", "", name.lower()) or name


def _find_tabs(
    layout: Mapping[str, Any], labels: Mapping[int, str]
) -> dict[int, tuple[tuple[int, str], ...]]:
    """Return the tabs around each component of the layout."""
    found: dict[int, tuple[tuple[int, str], ...]] = {}
    waiting: list[tuple[Any, tuple[tuple[int, str], ...]]] = [(layout, ())]
    while waiting:
        node, tabs = waiting.pop()
        id_ = get(node, "id", int, -1)
        found[id_] = tabs
        if id_ in labels:
            tabs = (*tabs, (len(found), labels[id_]))
        waiting += [(child, tabs) for child in reversed(get(node, "children", list))]
    return found


def _read_function(entry: Any, position: int, endpoints: Mapping[str, Any]) -> Function:
    api_name = f"/{get(entry, 'api_name', str)}"
    events = tuple(
        (target[0] if isinstance(target[0], int) else None, target[1])
        for target in get(entry, "targets", list)
        if isinstance(target, list) and len(target) == 2 and isinstance(target[1], str)
    )
    is_drawn = (
        get(entry, "rendered_in", int, None) is not None
    )  # `/info` does not list drawn functions
    return Function(
        index=get(entry, "id", int, position),
        api_name=api_name if api_name in endpoints or (is_drawn and api_name != "/") else None,
        events=events,
        after=get(entry, "trigger_after", int, None),
        inputs=_read_numbers(entry, "inputs"),
        outputs=_read_numbers(entry, "outputs"),
        prop_inputs=_read_numbers(entry, "component_prop_inputs"),
        draws=get(entry, "render_id", int, None) is not None,
        is_called=get(entry, "backend_fn", bool, True),
        is_generator=get(get(entry, "types", dict), "generator", bool),
    )


def _read_numbers(entry: Any, key: str) -> tuple[int, ...]:
    return tuple(i for i in get(entry, key, list) if isinstance(i, int))


def _pair_with_parameters(
    inputs: tuple[int, ...], kinds: Mapping[int, str], parameters: list[Any]
) -> list[tuple[int, Any]]:
    """Pair inputs with the parameters of `/info`, which omits State."""
    shown = {get(parameter, "component", str).lower() for parameter in parameters}
    paired = [component for component in inputs if kinds.get(component) in shown]
    return list(zip(paired, parameters, strict=True)) if len(paired) == len(parameters) else []


def _read_names(mapping: Any, *keys: str) -> list[str]:
    names = [get(mapping, key, str) for key in keys]
    # Gradio generates names that are missing, and leaves some for the page to translate.
    return [
        name
        for name in names
        if name and not re.match(r"parameter_\d+$|\d+(st|nd|rd|th)$|__i18n__", name)
    ]
