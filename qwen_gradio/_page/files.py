"""The files in what an assistant said. Nothing here does I/O.

Chatbots write them in several forms, some of which hold others:

- `{"file": {...}, "alt_text": ...}`, in Gradio 4 and 5; in Gradio 6 with `"type": "file"`;
- `{"component": "image", "value": {...}}`, a gallery's value being a list of
  `{"image": {...}, "caption": ...}`, and a video's `{"video": {...}}`;
- `{"path": ..., "url": ...}`, which the others have in place of the dots;
- `[path, alt]`, as tuples arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .._files.media import UNKNOWN, type_of_name
from .._reply import FoundFile

WRAPPERS = ("file", "image", "video", "audio", "value", "content", "files")
"""The keys under which such objects hold files, or more such objects."""
DESCRIPTIONS = ("alt_text", "caption", "alt")
URLS = ("http://", "https://")


def find_files(said: Iterable[Any], root: str) -> tuple[FoundFile, ...]:
    """Return the files in the contents of an assistant's messages, in their order.

    :param root: the URL under which the Space serves its files.
    """
    return tuple(file for content in said for file in _find(content, "", root))


def _find(value: Any, alt: str, root: str) -> Iterator[FoundFile]:
    if isinstance(value, Mapping):
        texts = (value.get(key) for key in DESCRIPTIONS)
        alt = next((text for text in texts if isinstance(text, str) and text), alt)
        if (url := _url_of(value, root)) is not None:
            yield FoundFile(url, _type_of(value), alt)
            return
        for key in WRAPPERS:
            yield from _find(value.get(key), alt, root)
    elif isinstance(value, list):
        match value:
            case [str(path)] | [str(path), str() | None] if _is_path(path):
                described = value[1] if len(value) == 2 and value[1] else alt
                yield from _find({"path": path}, described, root)
            case _:
                for item in value:
                    yield from _find(item, alt, root)


def _is_path(text: str) -> bool:
    """Whether a text in place of a message's parts is where a file is."""
    return text.startswith(("/", *URLS)) and "\n" not in text


def _url_of(file: Mapping[str, Any], root: str) -> str | None:
    """Return the URL of a file. A `url` is wrong if the Space, behind a proxy, is elsewhere."""
    path, url = file.get("path"), file.get("url")
    if isinstance(path, str) and path:
        return path if path.startswith(URLS) else f"{root}file={quote(path, safe='/:')}"
    is_file = "meta" in file or "mime_type" in file  # a link has a URL as well
    return url if is_file and isinstance(url, str) and url.startswith(URLS) else None


def _type_of(file: Mapping[str, Any]) -> str:
    given = file.get("mime_type")
    if isinstance(given, str) and given:
        return given
    names = (file.get(key) for key in ("orig_name", "path", "url"))
    types = (type_of_name(name) for name in names if isinstance(name, str))
    return next(filter(None, types), UNKNOWN)
