"""A Space's description to the chain that its page runs. Nothing here does I/O.

A page calls what a user's message triggers, and then what its author put after that with `.then`
and `.success`. Nothing declares which component holds the question and which the reply: it follows
from what triggers the chain, and from what its functions read and write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from ..errors import SpaceInterfaceError
from .app import App, Component, Function, get, plain
from .attaching import UPLOAD
from .bounds import Bounds, read_bounds
from .history import Form
from .outputs import Source
from .plan import ComponentValue, Plan, Step, Use

PROTOCOLS = ("sse_v1", "sse_v2", "sse_v2.1", "sse_v3")
CHAT_NAMES = ("model_chat", "chat", "respond", "bot", "predict", "generate", "ask")
"""What authors call a chat's endpoint, the surest names first."""
QUERY_NAMES = ("query", "message", "msg", "prompt", "question", "usermessage", "userinput")
"""What authors call the input for the question, as `plain` gives it."""
TEXT_NAMES = ("text", "inputtext", "input", "textinput")
"""What else they call it, though less surely."""
REPLY_NAMES = ("answer", "reply", "response", "output", "result")
"""What they call the output that is the reply, where there are other texts."""
NOBODY = -1
"""The number of no component."""


class Trigger(IntEnum):
    """How a chain starts, most likely first. What starts otherwise must be asked for by name."""

    SUBMITTED = 0
    CLICKED = 1
    CALLED = 2
    OTHERWISE = 3


@dataclass(frozen=True)
class Chain:
    """Functions that may be a chat, in the order in which the page calls them.

    :ivar query: the component in which a user writes the question.
    :ivar reply: the component in which the reply is read.
    :ivar first: the position of the function from which on the reply is read.
    :ivar unread: other chatbots in which a reply is written as well.
    :ivar start: how a user starts it.
    :ivar kind: what shows the reply; the least is most likely the chat.
    :ivar tabs: where on the page it is. The first tab is open when the page opens.
    :ivar signs: what else says that this is the chat; the least says so most clearly.
    """

    functions: tuple[Function, ...]
    query: int
    reply: int
    first: int
    unread: tuple[int, ...] = ()
    start: Trigger = Trigger.OTHERWISE
    kind: tuple[bool, ...] = ()
    tabs: tuple[Any, ...] = ()
    signs: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.functions[0].name

    @property
    def tab(self) -> str:
        """The labels of the tabs that it is in."""
        *_, tabs = self.tabs
        return " / ".join(label for _, label in tabs)

    @property
    def rank(self) -> tuple[Any, ...]:
        return self.kind, self.tabs, self.signs

    @property
    def reply_function(self) -> Function:
        return self.functions[self.first]


def plan_of(
    config: Any,
    info: Any,
    space: str,
    api_name: str | int | None = None,
    *,
    is_drawn: bool = False,
) -> Plan:
    """Find out how a Space's page asks a question.

    :param config: the app's `/config`.
    :param info: the app's `/info`.
    :param space: the Space, for errors.
    :param api_name: the name or the number of the endpoint to ask, where several could be meant.
    :param is_drawn: whether what the page draws when it opens (`gr.render`) is in the config.
    :returns: how; if it may draw a chat when it opens, how to have it drawn.
    :raises SpaceInterfaceError: if there is no chat that can be used, or more than one; shows
        what there is.
    """
    require_protocol(config, space)
    app = App(config, info)
    candidates = sorted(_find_candidates(app), key=lambda chain: chain.rank)
    chains = _dedupe_triggers(candidates)
    if api_name is None:
        usable = [chain for chain in chains if chain.start != Trigger.OTHERWISE]
    else:
        usable = _match_api_name(candidates, api_name)
    if not usable and not is_drawn and (drawing := _plan_drawing(app, space)):
        return drawing
    if not usable:
        what = "no chat that can be used" if api_name is None else f"no chat {api_name!r:.100}"
        raise SpaceInterfaceError(
            f"{space} offers {what}. Found: {_describe_endpoints(app, chains)}"
        )
    chosen = usable[0]
    # Of several chats, the page shows the first. Which of several functions of text is one is only
    # known if something says so.
    is_chat = app[chosen.reply].is_chatbot or _is_chat_interface(app, chosen.functions[0])
    rivals = [c for c in usable if (c.kind, c.signs) == (chosen.kind, chosen.signs) and not is_chat]
    if any((rival.query, rival.reply) != (chosen.query, chosen.reply) for rival in rivals):
        names = ", ".join(rival.name for rival in rivals)
        raise SpaceInterfaceError(
            f"{space} offers more than one endpoint that may be a chat. "
            f"Choose one with api_name: {names}"
        )
    others = {chain.name: chain.tab for chain in chains if chain is not chosen}
    return _make_plan(app, chosen, space, others)


def require_protocol(config: Any, space: str) -> None:
    """Reject apps of a Gradio before 4.2.

    :raises SpaceInterfaceError: naming the protocol.
    """
    if (protocol := get(config, "protocol", object, None)) not in PROTOCOLS:
        raise SpaceInterfaceError(
            f"{space} speaks the protocol {protocol!r:.100}, of a Gradio before 4.2"
        )


def _dedupe_triggers(chains: Sequence[Chain]) -> list[Chain]:
    """The chains without those that only another event triggers."""
    found: dict[Any, Chain] = {}
    for chain in chains:
        # Gradio numbers the names of a function that several events trigger: /chat_1.
        key = tuple((_strip_number(f.api_name), f.inputs, f.outputs) for f in chain.functions)
        found.setdefault(key, chain)
    return list(found.values())


def _match_api_name(chains: Sequence[Chain], api_name: str | int) -> list[Chain]:
    """The chains that start with the function of this name or number, else those it is part of."""
    named = f"/{str(api_name).strip('/')}"

    def is_meant(function: Function) -> bool:
        return named in (function.api_name, f"/{function.index}")

    starting = [chain for chain in chains if is_meant(chain.functions[0])]
    return starting or [chain for chain in chains if any(map(is_meant, chain.functions))]


def _find_candidates(app: App) -> Iterator[Chain]:
    """All chains that have a question and a reply."""
    triggered: dict[Any, list[Function]] = {}
    for function in app.functions.values():
        if function.after is None:
            for event in function.events or [(function.index, "")]:
                triggered.setdefault(event, []).append(function)
        if _is_chat_interface(app, function):
            interface = Chain((function,), function.inputs[0], function.outputs[0], first=0)
            yield _rank(app, interface, Trigger.CALLED)
    for (component, event), heads in triggered.items():
        if event != "load":  # the page does that on its own
            chain = _bind(app, _follow(app, heads), component)
            if chain is None or _is_chat_interface(app, chain.functions[0]):
                continue
            for head in heads if len(heads) > 1 else ():
                # If the chain of one head has both the question and the reply, that is the chat.
                alone = _bind(app, _follow(app, [head]), component)
                if alone and alone.reply_function is chain.reply_function:
                    chain = replace(alone, unread=chain.unread)
                    break
            yield _rank(app, chain, _classify_trigger(app[component], event))


def _follow(app: App, heads: list[Function]) -> tuple[Function, ...]:
    """Heads, and what runs at the end of each, in the page's order."""
    # All heads take what the page held before, so one that writes what another reads comes later.
    heads = sorted(
        heads,
        key=lambda head: any(
            i in other.inputs and not app[i].is_state
            for i in head.outputs
            for other in heads
            if other is not head
        ),
    )
    found = {head.index: head for head in heads}
    waiting = [f for head in reversed(heads) for f in reversed(app.followers.get(head.index, []))]
    while waiting:
        function = waiting.pop()
        if function.index not in found:
            found[function.index] = function
            waiting += reversed(app.followers.get(function.index, []))
    return tuple(function for function in found.values() if function.is_called)


def _bind(app: App, functions: tuple[Function, ...], trigger: int | None) -> Chain | None:
    """The functions as a chain, if these have both a question and a reply."""
    query = _find_query(app, functions, trigger)
    if query is None or (found := _find_reply(app, functions, query)) is None:
        return None
    reply, first = found
    alike = [f for f in functions if f.is_generator == functions[first].is_generator]
    shown = dict.fromkeys(i for f in alike for i in f.outputs if app[i].is_chatbot)
    unread = tuple(i for i in shown if i != reply and app[i].is_visible)
    return Chain(functions, query, reply, first, unread if app[reply].is_chatbot else ())


def _find_query(app: App, functions: tuple[Function, ...], trigger: int | None) -> int | None:
    """The component in which a user writes: the one that triggers, else the likeliest to be read.

    It is named so, or emptied when its text was sent; otherwise, it is the first. A function
    without a page may take all turns instead, the question among them.
    """

    def unlikeness(box: int) -> tuple[bool, ...]:
        is_emptied = any(box in function.outputs for function in functions)
        return not _is_named_query(app[box]), not _is_named(app[box], TEXT_NAMES), not is_emptied

    written: set[int] = set()
    found = None
    for function in functions:
        boxes = [
            box
            for box in function.inputs
            if (box == trigger or box not in written)
            and app[box].is_text_input
            and not app[box].is_system_prompt
        ]
        if trigger in boxes:
            return trigger
        if boxes and found is None:
            found = min(boxes, key=unlikeness)
        written.update(function.outputs)
    if found is None:
        return next((i for f in functions for i in f.inputs if app[i].takes_turns), None)
    return found


def _find_reply(app: App, functions: tuple[Function, ...], query: int) -> tuple[int, int] | None:
    """The component in which the reply is read, and the function that begins to write it."""
    replies = [[i for i in f.outputs if app[i].is_chatbot] for f in functions]
    # Of several chatbots, the first; of several texts, what the last function makes of them.
    nth = 0 if any(replies) else -1
    if not any(replies):
        replies = _find_texts(app, functions, query)
    writers = [n for n, written in enumerate(replies) if written]
    answering = [n for n in writers if functions[n].is_generator] or writers
    if not answering:
        return None
    written = replies[answering[nth]]
    texts = [i for i in written if not app[i].is_data] or written
    named = [i for i in texts if _is_named(app[i], REPLY_NAMES)]
    reply = (named or texts)[0]
    first = max(n for n in answering if reply in replies[n])
    if any(query in function.inputs for function in functions[: first + 1]):
        return reply, first
    return None


def _find_texts(app: App, functions: tuple[Function, ...], query: int) -> list[list[int]]:
    """The texts that each function makes of the question, without those that a user enters."""
    entered = _list_inputs(functions)
    if _is_answered_in_place(app, functions, query):
        entered.remove(query)
    asked = {query}
    texts: list[list[int]] = []
    for function in functions:
        knows_question = not asked.isdisjoint(function.inputs)
        asked.update(function.outputs if knows_question else ())
        texts.append(
            [
                i
                for i in function.outputs
                if knows_question
                and app[i].is_text_output
                and not app[i].is_system_prompt
                and i not in entered
            ]
        )
    return texts


def _is_answered_in_place(app: App, functions: tuple[Function, ...], query: int) -> bool:
    """Whether there is one box for the question and the reply, and nothing else is made of it."""
    makes_more = any(
        query in function.inputs
        and any(i != query and not app[i].kind.endswith("button") for i in function.outputs)
        for function in app.functions.values()
    )
    return [function.outputs for function in functions] == [(query,)] and not makes_more


def _list_inputs(functions: Iterable[Function]) -> list[int]:
    """The components that are read before they are written, in that order."""
    entered: dict[int, None] = {}
    written: set[int] = set()
    for function in functions:
        entered.update((i, None) for i in function.inputs if i not in written)
        written.update(function.outputs)
    return list(entered)


def _is_chat_interface(app: App, function: Function) -> bool:
    """Whether this is the endpoint that `gr.ChatInterface` adds for its API."""
    if function.api_name is None or not function.is_called:
        return False
    match function.inputs, function.outputs:
        case (box, state, *_), (reply, kept, *_):
            return (
                app[box].is_text_input
                and app[state].is_state
                and state == kept
                and app[reply].kind in ("textbox", "json")
                and reply not in function.inputs
                and bool(app.chatbots)
                and not any(app[output].is_chatbot for output in function.outputs)
            )
    return False


def _classify_trigger(component: Component, event: str) -> Trigger:
    if not event:
        return Trigger.CALLED
    match component.is_text_input, event:
        case True, "submit":
            return Trigger.SUBMITTED
        case True, "change" | "input":
            return Trigger.CALLED
        case False, "click" if component.kind.endswith("button"):
            return Trigger.CLICKED
    return Trigger.OTHERWISE


def _rank(app: App, chain: Chain, start: Trigger) -> Chain:
    names = [_strip_number(function.api_name) for function in chain.functions]
    tabs = app[chain.query].tabs
    return replace(
        chain,
        start=start,
        kind=(
            not _is_chat_interface(app, chain.functions[0]),
            not app[chain.reply].is_chatbot,
            chain.reply == chain.query,
        ),
        tabs=(tabs is None, tabs or ()),
        signs=(
            start,
            not _is_named_query(app[chain.query]),
            min(
                CHAT_NAMES.index(name) if name in CHAT_NAMES else len(CHAT_NAMES) for name in names
            ),
        ),
    )


def _is_named_query(component: Component) -> bool:
    return _is_named(component, QUERY_NAMES)


def _is_named(component: Component, names: Sequence[str]) -> bool:
    return any(plain(name) in names for name in component.names)


def _strip_number(api_name: str | None) -> str:
    return re.sub(r"_\d+$", "", api_name or "").lstrip("/")


def _make_plan(app: App, chain: Chain, space: str, others: Mapping[str, str]) -> Plan:
    functions = _drop_cleanup_steps(chain)
    for function in functions:
        for component in function.inputs:
            if (why := _why_not_given(app, component, chain)) is not None:
                raise SpaceInterfaceError(
                    f"{space}: {function.name} cannot be called, because {why}"
                )
    entered = _list_inputs(functions)
    loads = _find_loads(app, functions, entered, chain.query)
    taken = [*entered, *(i for f in (*loads, *functions) for i in f.inputs), chain.reply]
    written = {i for f in functions for i in f.outputs}
    loaded = {i for f in loads for i in f.outputs}
    turns = _find_turns_function(app, chain)
    history = turns.inputs[0] if turns else _find_history(app, chain, entered, written)
    taken += turns.inputs if turns else ()
    uploads = _find_uploads(app, functions, taken, chain.query)
    taken += (i for f in uploads.values() for i in f.inputs)
    # A chat interface takes earlier turns; that of 4.44 writes other State than it reads.
    keeps_turns = not _is_chat_interface(app, chain.functions[0]) and any(
        _keeps_turns(app, chain, i) for i in entered if i in written
    )

    def held(id_: int) -> ComponentValue:
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
        # What loads with the page may change what can be chosen.
        bounds = Bounds() if id_ in loaded else read_bounds(component.kind, component.props)
        return ComponentValue(
            id_, component.kind, use, component.names, component.value, bounds, component.props
        )

    return Plan(
        space,
        _make_steps(app, loads, functions, chain, turns, uploads, keeps_turns=keeps_turns),
        tuple(held(id_) for id_ in dict.fromkeys(taken) if not app[id_].is_state),
        chain.reply,
        _find_source(app, chain),
        _find_form(app, history if history is not None else chain.query),
        _read_reasoning_tags(app, chain.reply),
        others,
        _list_notes(app, chain),
        keeps_turns=keeps_turns,
        gradio=app.gradio,
        max_file_bytes=app.max_file_bytes,
    )


def _plan_drawing(app: App, space: str) -> Plan | None:
    """Return how the page has its components drawn when it opens, if it does."""
    renders = [
        function
        for function in app.functions.values()
        # Gradio 4 does not say which they are, and a function that only changes a column draws
        # nothing, but does no harm.
        if (function.draws or [app[i].kind for i in function.outputs] == ["column"])
        and _runs_on_load(function)
    ]
    if not renders:
        return None
    loads = _find_loads(app, renders, _list_inputs(renders), NOBODY)
    functions = [*loads, *renders]
    taken = dict.fromkeys(i for f in functions for i in f.inputs)
    steps = _make_steps(app, functions, [], Chain((), NOBODY, NOBODY, first=0))
    values = tuple(
        ComponentValue(i, app[i].kind, "value", app[i].names, app[i].value)
        for i in taken
        if not app[i].is_state
    )
    return Plan(space, steps, values, NOBODY, "page", "messages", (), {}, draws=True)


def _why_not_given(app: App, component: int, chain: Chain) -> str | None:
    """Return why a component cannot be given to the function that takes it, if so."""
    if component not in app:
        return f"one of its inputs, component {component}, is not in /config"
    given = app[component]
    if given.is_turns and given.is_required and component != chain.query and not given.takes_turns:
        types = " or ".join(sorted(given.api_types))
        return f"its input {given.names[0]!r} is required and takes no list, but {types}"
    return None


def _find_history(app: App, chain: Chain, entered: Iterable[int], written: set[int]) -> int | None:
    """Return the component that takes the earlier turns, unless the Space keeps these itself."""
    if any(app[i].is_state or (i in written and _keeps_turns(app, chain, i)) for i in entered):
        return None
    for i in entered:
        is_shown = i == chain.reply and app[i].is_chatbot and isinstance(app[i].value, list)
        if i != chain.query and (is_shown or app[i].takes_turns):
            return i
    return None


def _keeps_turns(app: App, chain: Chain, component: int) -> bool:
    """Whether a component that the chain reads and writes may hold the conversation."""
    memory = app[component]
    if memory.is_state:
        return True
    is_own = component in (chain.query, chain.reply) or memory.is_system_prompt
    return memory.is_memory and not is_own


def _find_turns_function(app: App, chain: Chain) -> Function | None:
    """Find the function by which the page of a chat interface hands its chatbot to the State.

    Gradio 5 and 6 have it, for a chatbot that is cleared; the interface's endpoint reads the State.
    """
    if not _is_chat_interface(app, chain.functions[0]):
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
    """Return what hands files to the chain before the question, by the component that takes them.

    Its page runs that as soon as a user has chosen a file. What also takes the question asks it.
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
    names = [
        get(app[i].props, "label", str, "") or f"component {i}"
        for i in (chain.reply, *chain.unread)
    ]
    return (
        f"{len(names)} chatbots answer side by side: {names[0]!r} is read, and not "
        + ", ".join(map(repr, names[1:])),
    )


def _drop_cleanup_steps(chain: Chain) -> list[Function]:
    """The functions up to the last that writes the reply, without those that tidy up the page."""
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
    """Return what runs when the page opens and writes State or values that the chain reads."""
    heads = [f for f in app.functions.values() if _runs_on_load(f)]
    wanted = {i for i in entered if i != query and not app[i].has_value}
    needed: list[Function] = []
    for function in reversed(_follow(app, [head for head in heads if head not in functions])):
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
    uploads: Mapping[int, Function] = MappingProxyType({}),
    *,
    keeps_turns: bool = False,
) -> tuple[Step, ...]:
    """Return the functions as steps.

    :param turns: the function that hands earlier turns to the Space.
    :param uploads: those that hand it files, by the component that takes them.
    :param keeps_turns: whether what they write is read by the next turn, too.
    """
    steps: list[Step] = []
    first = chain.reply_function if chain.functions else None
    is_read = True  # whether this function and those before it come after the first of the reply
    read = {i for f in functions for i in f.inputs} if keeps_turns else set()
    before = [*loads, turns] if turns else loads
    uploaders = {function: component for component, function in uploads.items()}
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
            read.add(chain.reply)  # to be compared with what is there afterwards
    return tuple(reversed(steps))


def _find_source(app: App, chain: Chain) -> Source:
    if _is_chat_interface(app, chain.functions[0]):
        return "interface"
    return "function" if app[chain.reply].kind == "api" else "page"


def _find_form(app: App, id_: int) -> Form:
    """Return the form in which this component takes turns."""
    kind, props = app[id_].kind, app[id_].props
    if kind == "api":
        return "pairs" if app[id_].takes_pairs else "messages"
    if kind == "chatbot" and app.gradio >= 6:
        return "parts"
    if kind.endswith("prochatbot"):
        return "segments"
    # From 4.44 on they declare which it is ("tuples" are pairs); before, there were only pairs.
    return "messages" if props.get("type") == "messages" else "pairs"


def _read_reasoning_tags(app: App, reply: int) -> tuple[tuple[str, str], ...]:
    # A chat interface's own endpoint writes no chatbot, but its page shows the reply in one.
    chatbots = [app[reply]] if app[reply].is_chatbot else app.chatbots
    tags = [tag for chatbot in chatbots for tag in get(chatbot.props, "reasoning_tags", list, [])]
    return tuple(
        (tag[0], tag[1])
        for tag in tags
        if isinstance(tag, list)
        and len(tag) == 2
        and all(isinstance(end, str) and end for end in tag)
    )


def _describe_endpoints(app: App, chains: Sequence[Chain]) -> str:
    """The Space's endpoints, and why the page asks no question with them."""
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
            why = "has no output of its own for a reply"
        return f"{function.name}({names}) {why}"

    shown = [f for f in app.functions.values() if f.api_name or f.name in usable]
    return "; ".join(map(describe, shown)) or "no endpoint"
