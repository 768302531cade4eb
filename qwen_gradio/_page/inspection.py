"""Describe how a Space is asked, for people and programs. Nothing here does I/O."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .app import Use
from .attaching import Slot, find_slots
from .bounds import Bounds
from .plan import Plan


@dataclass(frozen=True)
class SpaceInput:
    """An input of a Space, which `inputs=` can set.

    :ivar names: its names in `/info` and on the page; all of them can be used.
    :ivar kind: the type of its component, such as "textbox" or "slider".
    :ivar use: the source of its value: "value" is its default; "query", "chat", "history" and
        "system" are parts of the question.
    :ivar default: its value when the page opens; a dict for a form, whose fields are also inputs.
    :ivar bounds: the accepted values: `minimum`, `maximum` and `step` of a number, `choices` as
        pairs of a displayed name and a value, and whether it `takes_several`.
    """

    names: tuple[str, ...]
    kind: str
    use: Use
    default: Any
    bounds: Bounds

    def __str__(self) -> str:
        is_limited = self.bounds not in (Bounds(), Bounds(is_number=True))
        lines = [f"{' or '.join(map(repr, self.names)) or 'a form'}: {self.kind}"]
        if is_limited:
            lines[0] += f", {self.bounds}"
        if self.use == "value" and isinstance(self.default, dict):
            lines += [f"  {key!r}: {reprlib.repr(value)}" for key, value in self.default.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Inspection:
    """What a Space offers, and how a question would be asked. Print it for a readable text.

    :ivar space: its URL or name; the new name if it was renamed.
    :ivar steps: the calls that its page makes for a question, in order.
    :ivar inputs: the inputs of these steps.
    :ivar files: the inputs that take files, each with their `kind`, their `types` and whether it
        `takes_several`; () if the Space takes text only.
    :ivar api_names: the other endpoints that may be a chat, with the tab of each, or "".
    :ivar notes: further remarks.
    :ivar former_name: the name given by the caller, if the Space was renamed.
    :ivar url: the app's address.
    :ivar gradio: the version of its Gradio.
    :ivar stage: the Space's stage on the Hub, such as "RUNNING", or "".
    :ivar hardware: its hardware, if the Hub reports it.
    """

    space: str
    steps: tuple[str, ...]
    inputs: tuple[SpaceInput, ...]
    files: tuple[Slot, ...]
    api_names: Mapping[str, str]
    notes: tuple[str, ...]
    former_name: str = ""
    url: str = ""
    gradio: str = ""
    stage: str = ""
    hardware: str = ""

    def __str__(self) -> str:
        lines = []
        if self.url:
            lines.append(f"{self.url} runs Gradio {self.gradio}")
        if self.former_name:
            lines.append(f"{self.former_name} is now {self.space}")
        if self.stage or self.hardware:
            stage, hardware = self.stage or "unknown stage", self.hardware or "unknown hardware"
            lines.append(f"On the Hub: {stage} on {hardware}")
        if lines:
            lines.append("")
        count = f"{len(self.steps)} steps" if len(self.steps) > 1 else "1 step"
        lines.append(f"{self.space} is asked in {count}:")
        lines += [f"  {number}. {step}" for number, step in enumerate(self.steps, 1)]
        lines += [f"Note: {note}" for note in self.notes]
        lines.append("with inputs=... for any of:")
        lines += [f"  {line}" for each in self.inputs for line in str(each).splitlines()]
        if self.files:
            lines.append(f"with files=... for {'; '.join(map(str, self.files))}")
        if self.api_names:
            others = (
                f"{name} (tab {tab!r:.100})" if tab else name
                for name, tab in self.api_names.items()
            )
            lines.append(f"Other endpoints that may be a chat: {', '.join(others)}")
        return "\n".join(lines)


def inspect_plan(plan: Plan, **more: str) -> Inspection:
    """Describe a plan. `more` has the attributes from `former_name` on."""
    names = {each.id: each.name for each in plan.components}
    given = {
        each.id: reprlib.repr(each.value) if each.use == "value" else f"<{each.use}>"
        for each in plan.components
    }
    steps = []
    for number, step in enumerate(plan.steps, 1):
        arguments = (f"{names[i]}={given[i]}" for i in step.inputs if i in names)
        line = f"{step.name}({', '.join(arguments)})"
        if step.is_load:
            line += ", as when its page opens"
        if step.is_for_turns:
            line += ", if there are earlier turns"
        if step.uploader is not None:
            line += ", if there are files"
        if step.reply is not None:
            line += f", whose output {step.reply + 1} is the reply"
        steps.append(line)
        for _, component in step.writes:
            if given.get(component) != "<query>":  # steps mostly just disable the question's box
                given[component] = f"<step {number}>"
    drawn = ("these steps draw the page; its chat is planned afterwards",) if plan.draws else ()
    return Inspection(
        plan.space,
        tuple(steps),
        tuple(
            SpaceInput(each.names, each.kind, each.use, each.value, each.bounds)
            for each in plan.inputs
            if each.names or each.fields
        ),
        tuple(find_slots(plan.inputs)),
        plan.others,
        (*drawn, *plan.notes),
        **more,
    )
