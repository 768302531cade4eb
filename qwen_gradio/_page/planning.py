"""Choose the chain of a page that is the chat, and plan its steps. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import SpaceInterfaceError
from .app import App, Component, Function, Use, get
from .attaching import UPLOAD
from .bounds import Bounds, read_bounds
from .chain import (
    Chain,
    Trigger,
    dedupe_triggers,
    find_candidates,
    follow,
    list_inputs,
    match_api_name,
)
from .history import Form
from .outputs import Source
from .plan import Plan, Step

PROTOCOLS = ("sse_v1", "sse_v2", "sse_v2.1", "sse_v3")
NOBODY = -1
"""A component id that matches no component."""


def plan_of(
    config: Any, info: Any, space: str, api_name: str | int | None = None, *, is_drawn: bool = False
) -> Plan:
    """Plan how to ask a Space.

    :param config, info: the app's `/config` and `/info`.
    :param api_name: the name or number of the endpoint to ask, if the Space has several.
    :param is_drawn: whether the config includes what the page draws on opening (`gr.render`).
    :returns: the plan. If the page may draw a chat on opening, it is the plan to draw the page.
    :raises SpaceInterfaceError: if there is no chat, or more than one; lists the endpoints.
    """
    require_protocol(config, space)
    app = App(config, info)
    candidates = sorted(find_candidates(app), key=lambda chain: chain.rank)
    chains = dedupe_triggers(candidates)
    if api_name is None:
        usable = [chain for chain in chains if chain.start != Trigger.OTHERWISE]
    else:
        usable = match_api_name(candidates, api_name)
    if not usable and not is_drawn and (drawing := _plan_drawing(app, space)):
        return drawing
    if not usable:
        what = "no chat that can be used" if api_name is None else f"no chat {api_name!r:.100}"
        raise SpaceInterfaceError(
            f"{space} offers {what}. Found: {_describe_endpoints(app, chains)}"
        )
    chosen = usable[0]
    # Of several chats, the page shows the first. Functions of text are no better than one another,
    # unless one has a clearer sign of a chat.
    is_chat = app[chosen.reply].is_chatbot or chosen.is_interface
    rivals = [c for c in usable if (c.kind, c.signs) == (chosen.kind, chosen.signs) and not is_chat]
    if any((rival.query, rival.reply) != (chosen.query, chosen.reply) for rival in rivals):
        names = ", ".join(rival.name for rival in rivals)
        raise SpaceInterfaceError(
            f"{space} offers more than one endpoint that may be a chat. "
            f"Choose one with api_name: {names}"
        )
    others = {
        chain.name: " / ".join(label for _, label in chain.tabs[1])
        for chain in chains
        if chain is not chosen
    }
    return _make_plan(app, chosen, space, others)


def require_protocol(config: Any, space: str) -> None:
    """Reject apps on a Gradio before 4.2."""
    if (protocol := get(config, "protocol", object, None)) not in PROTOCOLS:
        raise SpaceInterfaceError(
            f"{space} runs a Gradio before 4.2 (protocol {protocol!r:.100}), which is not supported"
        )


def _make_plan(app: App, chain: Chain, space: str, others: Mapping[str, str]) -> Plan:
    functions = _drop_cleanup_steps(chain)
    _require_inputs(app, functions, chain, space)
    entered = list_inputs(functions)
    loads = _find_loads(app, functions, entered, chain.query)
    taken = [*entered, *(i for f in (*loads, *functions) for i in f.inputs), chain.reply]
    written = {i for f in functions for i in f.outputs}
    loaded = {i for f in loads for i in f.outputs}
    turns = _find_turns_function(app, chain)
    history = turns.inputs[0] if turns else _find_history(app, chain, entered, written)
    taken += turns.inputs if turns else ()
    uploads = _find_uploads(app, functions, taken, chain.query)
    taken += (i for f in uploads.values() for i in f.inputs)
    # A chat interface takes earlier turns. On 4.44, it does not write the State that it reads.
    keeps_turns = not chain.is_interface and any(
        _keeps_turns(app, chain, i) for i in entered if i in written
    )

    source: Source = "function" if app[chain.reply].kind == "api" else "page"

    def use_component(id_: int) -> Component:
        component = app[id_]
        use: Use = "value"
        if id_ == chain.query:
            use = "chat" if component.takes_turns else "query"
        elif id_ in written and id_ not in entered:
            use = "earlier step"
        elif id_ == history:
            use = "history"
        elif component.is_system_prompt:
            use = "system"
        elif id_ in uploads:
            use = "upload"
        # A function that runs on load may change the choices.
        bounds = Bounds() if id_ in loaded else read_bounds(component.kind, component.props)
        return replace(component, use=use, bounds=bounds)

    return Plan(
        space,
        _make_steps(app, loads, functions, chain, turns, uploads, keeps_turns=keeps_turns),
        tuple(use_component(id_) for id_ in dict.fromkeys(taken) if not app[id_].is_state),
        chain.reply,
        "interface" if chain.is_interface else source,
        _find_form(app, history if history is not None else chain.query),
        _read_reasoning_tags(app, chain.reply),
        others,
        _list_notes(app, chain),
        keeps_turns=keeps_turns,
        gradio=app.gradio,
        max_file_bytes=app.max_file_bytes,
    )


def _plan_drawing(app: App, space: str) -> Plan | None:
    """Plan the functions that draw components when the page opens; None if there are none."""
    renders = [
        function
        for function in app.functions.values()
        # Gradio 4 does not declare them. A function that only updates a column draws nothing, but
        # can safely be called.
        if (function.draws or [app[i].kind for i in function.outputs] == ["column"])
        and _runs_on_load(function)
    ]
    if not renders:
        return None
    loads = _find_loads(app, renders, list_inputs(renders), NOBODY)
    functions = [*loads, *renders]
    taken = dict.fromkeys(i for f in functions for i in f.inputs)
    steps = _make_steps(app, functions, [], Chain((), NOBODY, NOBODY, first=0))
    values = tuple(app[i] for i in taken if not app[i].is_state)
    return Plan(space, steps, values, NOBODY, "page", "messages", (), {}, draws=True)


def _require_inputs(app: App, functions: list[Function], chain: Chain, space: str) -> None:
    """Reject a chat with an input that cannot be sent."""
    for function, given, component in ((f, app[i], i) for f in functions for i in f.inputs):
        if component not in app:
            why = f"one of its inputs, component {component}, is not in /config"
        elif given.is_required and given.is_turns and not given.takes_turns:
            types = " or ".join(sorted(given.api_types))
            why = f"its input {given.names[0]!r} is required and takes no list, but {types}"
        else:
            continue
        if component != chain.query:
            raise SpaceInterfaceError(f"{space}: {function.name} cannot be called, because {why}")


def _find_history(app: App, chain: Chain, entered: Iterable[int], written: set[int]) -> int | None:
    """Return the component that takes earlier turns; None if the Space keeps them itself."""
    if any(app[i].is_state or (i in written and _keeps_turns(app, chain, i)) for i in entered):
        return None
    for i in entered:
        is_shown = i == chain.reply and app[i].is_chatbot and isinstance(app[i].value, list)
        if i != chain.query and (is_shown or app[i].takes_turns):
            return i
    return None


def _keeps_turns(app: App, chain: Chain, component: int) -> bool:
    """Return whether a component that the chain reads and writes may hold the conversation."""
    memory = app[component]
    if memory.is_state:
        return True
    is_own = component in (chain.query, chain.reply) or memory.is_system_prompt
    is_hidden = memory.kind in ("browserstate", "json") or not memory.is_visible
    return is_hidden and not is_own


def _find_turns_function(app: App, chain: Chain) -> Function | None:
    """Find the function that copies the chatbot of a chat interface to its State.

    The interface's API endpoint reads the State. Only Gradio 5 and 6 have such a function.
    """
    if not chain.is_interface:
        return None
    state = chain.functions[0].inputs[1]
    for function in app.functions.values():
        match function.inputs, function.outputs:
            case (chatbot,), (written, *_) if written == state and function.is_called:
                if app[chatbot].is_chatbot and all(app[i].is_state for i in function.outputs):
                    return function
    return None


def _find_uploads(
    app: App, functions: list[Function], taken: list[int], query: int
) -> dict[int, Function]:
    """Return the functions that run when a user has chosen a file, by the file's component.

    A function that also takes the question is left out: it would ask it.
    """
    read = {i for f in functions for i in f.inputs}
    return {
        component: function
        for function in app.functions.values()
        for component, event in function.events
        if event == UPLOAD and component is not None and component not in taken
        if function.is_called and component in function.inputs and query not in function.inputs
        if not read.isdisjoint(function.outputs)
    }


def _list_notes(app: App, chain: Chain) -> tuple[str, ...]:
    if not chain.unread:
        return ()
    ids = (chain.reply, *chain.unread)
    read, *others = [repr(get(app[i].props, "label", str) or f"component {i}") for i in ids]
    count, unread = len(ids), ", ".join(others)
    return (f"{count} chatbots answer side by side: {read} is read, {unread} is not",)


def _drop_cleanup_steps(chain: Chain) -> list[Function]:
    """Return the functions up to the last that writes the reply, without cleanup steps."""
    last = max(n for n, f in enumerate(chain.functions) if chain.reply in f.outputs)
    needed: list[Function] = []
    read: set[int] = set()
    for position in range(last, -1, -1):
        function = chain.functions[position]
        writes_reply = position >= chain.first and chain.reply in function.outputs
        tidies_up = function.outputs and not function.inputs and read.isdisjoint(function.outputs)
        if writes_reply or not tidies_up:
            needed.append(function)
            read.update(function.inputs)
    return needed[::-1]


def _find_loads(
    app: App, functions: list[Function], entered: list[int], query: int
) -> list[Function]:
    """Return the functions that run on load and write State or values for the chain."""
    heads = [f for f in app.functions.values() if _runs_on_load(f)]
    wanted = {i for i in entered if i != query and not app[i].has_value}
    needed: list[Function] = []
    for function in reversed(follow(app, [head for head in heads if head not in functions])):
        if not wanted.isdisjoint(function.outputs) and function not in functions:
            needed.append(function)
            wanted.update(i for i in function.inputs if not app[i].has_value)
    return needed[::-1]


def _runs_on_load(function: Function) -> bool:
    return any(event == "load" for _, event in function.events)


def _make_steps(
    app: App,
    loads: list[Function],
    functions: list[Function],
    chain: Chain,
    turns: Function | None = None,
    uploads: Mapping[int, Function] | None = None,
    *,
    keeps_turns: bool = False,
) -> tuple[Step, ...]:
    """Return the functions as steps.

    :param turns: the function that sends earlier turns.
    :param uploads: the functions that upload files, by the component that takes them.
    """
    steps: list[Step] = []
    first = chain.reply_function if chain.functions else None
    is_read = True  # False before the first function that writes the reply
    read = {i for f in functions for i in f.inputs} if keeps_turns else set()
    before = [*loads, turns] if turns else loads
    uploaders = {function: component for component, function in (uploads or {}).items()}
    for function in reversed([*before, *uploaders, *functions]):
        writes = [(n, i) for n, i in enumerate(function.outputs) if i in read]
        writes_reply = is_read and chain.reply in function.outputs and function in functions
        steps.append(
            Step(
                function.index,
                function.name,
                function.inputs,
                tuple((n, i) for n, i in writes if not app[i].is_state),
                function.outputs.index(chain.reply) if writes_reply else None,
                is_load=function in loads,
                prop_inputs=function.prop_inputs,
                is_for_turns=function is turns,
                uploader=uploaders.get(function),
            )
        )
        read.update(function.inputs)
        if function is first:
            is_read = False
            read.add(chain.reply)  # to recognise a reply, the value before it must be known
    return tuple(reversed(steps))


def _find_form(app: App, id_: int) -> Form:
    """Return the format of the turns in a component."""
    kind, props = app[id_].kind, app[id_].props
    if kind == "api":
        return "pairs" if app[id_].takes_pairs else "messages"
    if kind == "chatbot" and app.gradio >= 6:
        return "parts"
    if kind.endswith("prochatbot"):
        return "segments"
    # Chatbots declare it since Gradio 4.44 ("tuples" are pairs). Before, there were only pairs.
    return "messages" if props.get("type") == "messages" else "pairs"


def _read_reasoning_tags(app: App, reply: int) -> tuple[tuple[str, str], ...]:
    # The API endpoint of a chat interface writes no chatbot, but the page shows the reply in one.
    chatbots = [app[reply]] if app[reply].is_chatbot else app.chatbots
    found: list[tuple[str, str]] = []
    for tags in (
        tags for chatbot in chatbots for tags in get(chatbot.props, "reasoning_tags", list)
    ):
        match tags:
            case [str(start), str(end)] if start and end:
                found.append((start, end))
    return tuple(found)


def _describe_endpoints(app: App, chains: Sequence[Chain]) -> str:
    """Describe the Space's endpoints, each with the reason why it was not chosen."""
    usable = dict.fromkeys(chain.name for chain in chains)

    def describe(function: Function) -> str:
        inputs = [app[i] for i in function.inputs if not app[i].is_state]
        outputs = [app[i] for i in function.outputs]
        names = ", ".join(i.names[0] if i.names else i.kind for i in inputs)
        if function.name in usable:
            why = "can be chosen with api_name"
        elif not outputs and any(i.kind == "api" for i in inputs):
            why = "declares no return type, without which Gradio returns nothing"
        elif not any(i.is_text_input for i in inputs):
            why = "takes no text"
        elif not any(o.is_text_output or o.is_chatbot for o in outputs):
            why = "returns no text"
        else:
            why = "has no separate output for a reply"
        return f"{function.name}({names}) {why}"

    shown = [f for f in app.functions.values() if f.api_name or f.name in usable]
    return "; ".join(map(describe, shown)) or "no endpoint"
