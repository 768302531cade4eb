"""Assign the files of a question to the inputs of a page. Nothing here does I/O."""

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
"""The types of components that take files, and the kind of file; "file" is any."""
UPLOAD = "upload"
"""The event of a component when a user has chosen a file."""


@dataclass(frozen=True)
class Slot:
    """A component that takes files.

    :ivar kind: the kind of file; "file" is any.
    :ivar types: accepted types and extensions (`file_types` or HTML's `accept`); () is any.
    """

    component: int
    name: str
    kind: Kind
    types: tuple[str, ...]
    takes_several: bool

    def takes(self, file: Attachment) -> bool:
        """Return whether it takes this file, regardless of other files."""
        if self.kind not in ("file", file.kind):
            return False
        name = file.name.lower()
        is_unknown = file.url is not None and file.media_type == UNKNOWN  # the Space will check it
        is_any = not self.types or "file" in self.types or is_unknown
        major = file.media_type.partition("/")[0]
        return is_any or any(
            name.endswith(each.lower())
            if each.startswith(".")
            else each.removesuffix("/*") in (file.kind, major, file.media_type)
            for each in self.types
        )

    def __str__(self) -> str:
        """Return what it takes, for a user to read."""
        what = {"file": "files" if self.takes_several else "a file"}.get(
            self.kind, f"{'an' if self.kind[0] in 'ia' else 'a'} {self.kind} file"
        )
        types = f" of the types {', '.join(self.types)}" if self.types else ""
        return f"{what}{types} in {self.name!r}"


def find_slots(inputs: Iterable[Component]) -> list[Slot]:
    """Return the components that take files. Those for files of any kind come last."""
    slots = [slot for component in inputs if (slot := _to_slot(component)) is not None]
    return sorted(slots, key=lambda slot: slot.kind == "file")


def _to_slot(component: Component) -> Slot | None:
    props = component.props
    is_box = component.use == "query" and "multimodal" in component.kind
    kind = (
        "file"
        if is_box
        else KINDS.get(component.kind)
        if component.use in ("value", UPLOAD)
        else None
    )
    if kind is None or props.get("interactive") is False or not component.is_visible:
        return None
    accept = get(get(props, "upload_config", dict), "accept", str)
    types = get(props, "file_types", list, accept.replace(" ", "").split(","))
    takes_several = component.use == UPLOAD or (kind == "file" and takes_list(component))
    types = tuple(each for each in types if isinstance(each, str) and each)
    return Slot(component.id, component.name, kind, types, takes_several)


def takes_list(component: Component) -> bool:
    """Return whether the component's value is a list of files."""
    default = (
        "multiple" if "multimodal" in component.kind else "single"
    )  # for boxes of other families
    return component.props.get("file_count", default) in ("multiple", "directory")


def place_files(
    files: Sequence[Attachment],
    inputs: Sequence[Component],
    space: str,
    max_bytes: int | None = None,
) -> dict[int, list[Attachment]]:
    """Assign files to components, as a user of the page would. Return them by component id.

    A multimodal box for the question takes all files. Otherwise, each goes to one of its kind.

    :raises SpaceInterfaceError: if no component takes a file. The message says what is accepted.
    """
    slots = find_slots(inputs)
    boxes = {component.id for component in inputs if component.use == "query"}
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


def fill_in(component: Component, value: Any, files: list[dict[str, Any]], gradio: int) -> Any:
    """Add files to a component's value, in the format of this major version of Gradio."""
    if "multimodal" in component.kind:
        return {**value, "files": files}
    if component.kind == "imageeditor":
        return {"background": files[0], "layers": [], "composite": files[0]}
    if component.kind == "video" and gradio < 6:
        return {"video": files[0], "subtitles": None}
    return files if KINDS[component.kind] == "file" and takes_list(component) else files[0]
