"""Where the page of a Space puts the files of a question. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._files.attachments import Attachment
from .._files.media import UNKNOWN, Kind
from ..errors import SpaceInterfaceError
from .app import Component, get

KINDS: Mapping[str, Kind] = {
    "image": "image",
    "imageeditor": "image",
    "audio": "audio",
    "video": "video",
    "file": "file",
    "uploadbutton": "file",
}
"""The types of components that take a file, and its kind; "file" is any."""
UPLOAD = "upload"
"""The event of a component that was given a file."""


@dataclass(frozen=True)
class Slot:
    """A component that takes files.

    :ivar kind: their kind; "file" is any.
    :ivar types: their types and endings, from Gradio's `file_types` or HTML's `accept`; () is any.
    """

    component: int
    name: str
    kind: Kind
    types: tuple[str, ...]
    takes_several: bool

    def takes(self, file: Attachment) -> bool:
        """Whether it takes this file, were there no others."""
        if self.kind not in ("file", file.kind):
            return False
        name = file.name.lower()
        is_unknown = file.url is not None and file.media_type == UNKNOWN  # only the Space sees it
        is_any = not self.types or "file" in self.types or is_unknown
        major = file.media_type.partition("/")[0]
        return is_any or any(
            name.endswith(each.lower())
            if each.startswith(".")
            else each.removesuffix("/*") in (file.kind, major, file.media_type)
            for each in self.types
        )

    def __str__(self) -> str:
        """What it takes, to show to a user."""
        what = {"file": "files" if self.takes_several else "a file"}.get(
            self.kind, f"{'an' if self.kind[0] in 'ia' else 'a'} {self.kind} file"
        )
        types = f" of the types {', '.join(self.types)}" if self.types else ""
        return f"{what}{types} in {self.name!r}"


def find_slots(inputs: Iterable[Component]) -> list[Slot]:
    """Return the components that take files: the question's own box first, then by kind."""
    slots = [slot for held in inputs if (slot := _slot(held)) is not None]
    return sorted(slots, key=lambda slot: slot.kind == "file")


def _slot(held: Component) -> Slot | None:
    props = held.props
    is_box = held.use == "query" and "multimodal" in held.kind
    kind = "file" if is_box else KINDS.get(held.kind) if held.use in ("value", UPLOAD) else None
    if kind is None or props.get("interactive") is False or not held.is_visible:
        return None
    accept = get(get(props, "upload_config", dict), "accept", str)
    types = get(props, "file_types", list, accept.replace(" ", "").split(","))
    takes_several = held.use == UPLOAD or (kind == "file" and takes_list(held))
    types = tuple(each for each in types if isinstance(each, str) and each)
    return Slot(held.id, held.name, kind, types, takes_several)


def takes_list(held: Component) -> bool:
    """Whether its value is a list of files."""
    default = "multiple" if "multimodal" in held.kind else "single"  # of other families' boxes
    return held.props.get("file_count", default) in ("multiple", "directory")


def place_files(
    files: Sequence[Attachment],
    inputs: Sequence[Component],
    space: str,
    max_bytes: int | None = None,
) -> dict[int, list[Attachment]]:
    """Decide which component takes which file, as a user of the page would.

    A multimodal box of the question takes all. Otherwise each goes into a component of its kind.

    :raises SpaceInterfaceError: if there is none for one of them; says what the Space takes.
    """
    slots = find_slots(inputs)
    boxes = {held.id for held in inputs if held.use == "query"}
    slots = [slot for slot in slots if slot.component in boxes] or slots
    placed: dict[int, list[Attachment]] = {}
    for file in files:
        takers = [slot for slot in slots if slot.takes(file)]
        free = [slot for slot in takers if slot.takes_several or slot.component not in placed]
        if max_bytes is not None and file.data is not None and len(file.data) > max_bytes:
            why = f"takes files up to {max_bytes} bytes, and {file.name} has {len(file.data)}"
        elif free:
            placed.setdefault(free[0].component, []).append(file)
            continue
        else:
            what = f"{file.name} ({file.media_type})" + (" as well" if takers else "")
            taken = "; ".join(map(str, slots))
            only = f"Besides text, it takes {taken}" if taken else "It takes text only"
            why = f"does not take {what}. {only}"
        error = SpaceInterfaceError(f"{space} {why}")
        error.is_about_files = True
        raise error
    return placed


def fill_in(held: Component, value: Any, files: list[dict[str, Any]], gradio: int) -> Any:
    """Return the value of a component with files, as the page of this major version sends it."""
    if "multimodal" in held.kind:
        return {**value, "files": files}
    if held.kind == "imageeditor":
        return {"background": files[0], "layers": [], "composite": files[0]}
    if held.kind == "video" and gradio < 6:
        return {"video": files[0], "subtitles": None}
    return files if KINDS[held.kind] == "file" and takes_list(held) else files[0]
