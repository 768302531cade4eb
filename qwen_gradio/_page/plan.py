"""The plan for one question: the functions to call, and their inputs. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .app import Component
from .history import Form
from .outputs import Source


@dataclass(frozen=True)
class Step:
    """A call to a function of the Space.

    :ivar name: its `api_name`, or its number if it has none.
    :ivar inputs: the ids of the components that it takes.
    :ivar writes: the positions and components of outputs that a later step takes.
    :ivar reply: the position of the reply in its outputs, if it writes the reply.
    :ivar is_load: whether the page runs it on opening. A page ignores its failure.
    :ivar prop_inputs: the positions of inputs that are sent with all properties.
    :ivar is_for_turns: whether it only sends earlier turns; skipped if there are none.
    :ivar uploader: the component whose files it uploads, if it is for that, one value per call.
    :ivar nth: the index of the value to upload.
    """

    fn_index: int
    name: str
    inputs: tuple[int, ...]
    writes: tuple[tuple[int, int], ...]
    reply: int | None = None
    is_load: bool = False
    prop_inputs: tuple[int, ...] = ()
    is_for_turns: bool = False
    uploader: int | None = None
    nth: int = 0


@dataclass(frozen=True)
class Plan:
    """The steps that the page of a Space runs when a user sends a message.

    :ivar steps: the calls on load that the chain needs, then the chain.
    :ivar components: the components that steps take, and the one that shows the reply.
    :ivar form: the format of earlier turns.
    :ivar reasoning_tags: pairs of tags that enclose reasoning in the reply's text.
    :ivar others: the names and tabs of other endpoints that may be a chat.
    :ivar notes: remarks for the user.
    :ivar draws: whether these steps only draw the page. Its chat is planned afterwards.
    :ivar keeps_turns: whether the Space keeps the conversation of a session.
    :ivar gradio: the major version of its Gradio.
    """

    space: str
    steps: tuple[Step, ...]
    components: tuple[Component, ...]
    reply: int
    source: Source
    form: Form
    reasoning_tags: tuple[tuple[str, str], ...]
    others: Mapping[str, str] = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    draws: bool = False
    keeps_turns: bool = False
    gradio: int = 0
    max_file_bytes: int | None = None

    @property
    def inputs(self) -> list[Component]:
        """The components whose values a user enters, in the order that steps read them."""
        return [component for component in self.components if component.use != "earlier step"]

    def unused(self, names: Iterable[str]) -> list[str]:
        """Return the names that match no input and no field of a form."""
        return [
            name
            for name in names
            if not any(i.is_called(name) or i.field_called(name) for i in self.inputs)
        ]
