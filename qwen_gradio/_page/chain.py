"""Find the chains of functions that a Space's page may run for a question. No I/O here.

A page calls the function that a user's message triggers, and then the functions its author chained
with `.then` and `.success`. Nothing declares which components hold the question and the reply. It
follows from the trigger of the chain, and from what its functions read and write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from .app import App, Component, Function, normalize

CHAT_NAMES = ("model_chat", "chat", "respond", "bot", "predict", "generate", "ask")
"""Names of a chat's endpoint, most likely first."""
QUERY_NAMES = ("query", "message", "msg", "prompt", "question", "usermessage", "userinput")
"""Names of the question's input, as `normalize` returns them."""
TEXT_NAMES = ("text", "inputtext", "input", "textinput")
"""Less likely names of the question's input."""
REPLY_NAMES = ("answer", "reply", "response", "output", "result")
"""Names of the reply's output, to tell it from other texts."""


class Trigger(IntEnum):
    """How a chain starts, most likely first. OTHERWISE requires `api_name`."""

    SUBMITTED = 0
    CLICKED = 1
    CALLED = 2
    OTHERWISE = 3


@dataclass(frozen=True)
class Chain:
    """Functions that may be a chat, in the order the page calls them.

    :ivar query, reply: the components that take the question and show the reply.
    :ivar first: the position of the first function that writes the reply.
    :ivar unread: other chatbots that show a reply.
    :ivar is_interface: whether it is the API endpoint of a `gr.ChatInterface`.
    :ivar kind: the kind of the reply's component; the smallest is most likely a chat.
    :ivar tabs: the position on the page. The first tab is open initially.
    :ivar signs: further signs of a chat; smaller is more likely.
    """

    functions: tuple[Function, ...]
    query: int
    reply: int
    first: int
    unread: tuple[int, ...] = ()
    is_interface: bool = False
    start: Trigger = Trigger.OTHERWISE
    kind: tuple[bool, ...] = ()
    tabs: tuple[Any, ...] = ()
    signs: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.functions[0].name

    @property
    def rank(self) -> tuple[Any, ...]:
        return self.kind, self.tabs, self.signs

    @property
    def reply_function(self) -> Function:
        return self.functions[self.first]


def dedupe_triggers(chains: Sequence[Chain]) -> list[Chain]:
    """Drop chains that differ from an earlier one only in their event."""
    found: dict[Any, Chain] = {}
    for chain in chains:
        # If several events trigger a function, Gradio numbers its names: /chat_1.
        key = tuple((_strip_number(f.api_name), f.inputs, f.outputs) for f in chain.functions)
        found.setdefault(key, chain)
    return list(found.values())


def match_api_name(chains: Sequence[Chain], api_name: str | int) -> list[Chain]:
    """Return the chains that start with this function; if there are none, those that contain it."""
    named = f"/{str(api_name).strip('/')}"

    def is_meant(function: Function) -> bool:
        return named in (function.api_name, f"/{function.index}")

    starting = [chain for chain in chains if is_meant(chain.functions[0])]
    return starting or [chain for chain in chains if any(map(is_meant, chain.functions))]


def find_candidates(app: App) -> Iterator[Chain]:
    """Yield the chains that have a question and a reply."""
    triggered: dict[Any, list[Function]] = {}
    for function in app.functions.values():
        if function.after is None:
            for event in function.events or [(function.index, "")]:
                triggered.setdefault(event, []).append(function)
        if _is_chat_interface(app, function):
            box, reply = function.inputs[0], function.outputs[0]
            interface = Chain((function,), box, reply, first=0, is_interface=True)
            yield _rank(app, interface, Trigger.CALLED)
    for (component, event), heads in triggered.items():
        if event != "load":  # not caused by a user
            chain = _bind(app, follow(app, heads), component)
            if chain is None or _is_chat_interface(app, chain.functions[0]):
                continue
            for head in heads:
                # If the chain of one head has both the question and the reply, that is the chat.
                alone = _bind(app, follow(app, [head]), component)
                if alone and alone.reply_function is chain.reply_function:
                    chain = replace(alone, unread=chain.unread)
                    break
            yield _rank(app, chain, _classify_trigger(app[component], event))


def follow(app: App, heads: list[Function]) -> tuple[Function, ...]:
    """Return the heads and the functions that follow them, in the order the page runs them."""

    # On a page, all heads read the old values. So a head that writes another's input goes last.
    def writes_an_input(head: Function) -> bool:
        written = {i for i in head.outputs if not app[i].is_state}
        return any(not written.isdisjoint(other.inputs) for other in heads if other is not head)

    heads = sorted(heads, key=writes_an_input)
    found = {head.index: head for head in heads}
    waiting = [f for head in reversed(heads) for f in reversed(app.followers.get(head.index, []))]
    while waiting:
        function = waiting.pop()
        if function.index not in found:
            found[function.index] = function
            waiting += reversed(app.followers.get(function.index, []))
    return tuple(function for function in found.values() if function.is_called)


def _bind(app: App, functions: tuple[Function, ...], trigger: int | None) -> Chain | None:
    """Return the functions as a chain; None if they lack a question or a reply."""
    query = _find_query(app, functions, trigger)
    if query is None or (found := _find_reply(app, functions, query)) is None:
        return None
    reply, first = found
    alike = [f for f in functions if f.is_generator == functions[first].is_generator]
    shown = dict.fromkeys(i for f in alike for i in f.outputs if app[i].is_chatbot)
    unread = tuple(i for i in shown if i != reply and app[i].is_visible)
    return Chain(functions, query, reply, first, unread if app[reply].is_chatbot else ())


def _find_query(app: App, functions: tuple[Function, ...], trigger: int | None) -> int | None:
    """Return the component that takes the question, if any.

    That is the box that triggers the chain; else a box with a typical name, or one that is cleared
    on sending; else the first box. A function without a page may take all turns instead.
    """

    def unlikeness(box: int) -> tuple[bool, ...]:
        is_named = [_is_named(app[box], names) for names in (QUERY_NAMES, TEXT_NAMES)]
        is_emptied = any(box in function.outputs for function in functions)
        return tuple(not sign for sign in (*is_named, is_emptied))

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
    turns = (i for f in functions for i in f.inputs if app[i].takes_turns)
    return next(turns, None) if found is None else found


def _find_reply(app: App, functions: tuple[Function, ...], query: int) -> tuple[int, int] | None:
    """Return the component that shows the reply, and the position of the first function for it."""
    replies = [[i for i in f.outputs if app[i].is_chatbot] for f in functions]
    # Of several chatbots, the first counts; of several texts, that of the last function.
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
    """Return the text outputs that depend on the question, for each function, without inputs."""
    entered = list_inputs(functions)
    if _is_answered_in_place(app, functions, query):
        entered.remove(query)
    asked = {query}
    texts: list[list[int]] = []
    for function in functions:
        texts.append([])
        if not asked.isdisjoint(function.inputs):
            asked.update(function.outputs)
            made = [i for i in function.outputs if i not in entered and app[i].is_text_output]
            texts[-1] = [i for i in made if not app[i].is_system_prompt]
    return texts


def _is_answered_in_place(app: App, functions: tuple[Function, ...], query: int) -> bool:
    """Return whether question and reply share a box that no function turns into other outputs."""
    makes_more = any(
        query in function.inputs
        and any(i != query and not app[i].kind.endswith("button") for i in function.outputs)
        for function in app.functions.values()
    )
    return [function.outputs for function in functions] == [(query,)] and not makes_more


def list_inputs(functions: Iterable[Function]) -> list[int]:
    """Return the components that are read before they are written, in that order."""
    entered: dict[int, None] = {}
    written: set[int] = set()
    for function in functions:
        entered.update((i, None) for i in function.inputs if i not in written)
        written.update(function.outputs)
    return list(entered)


def _is_chat_interface(app: App, function: Function) -> bool:
    """Return whether this is the API endpoint of a `gr.ChatInterface`."""
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
    places = [CHAT_NAMES.index(name) for name in names if name in CHAT_NAMES]
    query, reply = app[chain.query], app[chain.reply]
    return replace(
        chain,
        start=start,
        kind=(not chain.is_interface, not reply.is_chatbot, chain.reply == chain.query),
        tabs=(query.tabs is None, query.tabs or ()),
        signs=(start, not _is_named(query, QUERY_NAMES), min(places, default=len(CHAT_NAMES))),
    )


def _is_named(component: Component, names: Sequence[str]) -> bool:
    return any(normalize(name) in names for name in component.names)


def _strip_number(api_name: str | None) -> str:
    return re.sub(r"_\d+$", "", api_name or "").lstrip("/")
