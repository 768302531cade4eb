"""Find the files in an assistant's messages. Nothing here does I/O.

Chatbots write files in several forms, some of them nested:

- `{"file": {...}, "alt_text": ...}`, in Gradio 4 and 5; in Gradio 6 with `"type": "file"`;
- `{"component": "image", "value": {...}}`; the value of a gallery is a list of
  `{"image": {...}, "caption": ...}`, and that of a video `{"video": {...}}`;
- `{"path": ..., "url": ...}`, which the other forms contain;
- `[path, alt]`, from a tuple.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .._files.media import UNKNOWN, type_of_name
from .._reply import FoundFile

WRAPPERS = ("file", "image", "video", "audio", "value", "content", "files")
"""The keys that hold files or nested forms."""
DESCRIPTIONS = ("alt_text", "caption", "alt")
URLS = ("http://", "https://")


def find_files(said: Iterable[Any], root: str) -> tuple[FoundFile, ...]:
    """Return the files in the contents of an assistant's messages, in order.

    :param root: the URL prefix of files on the Space.
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
    """Return whether a text is the location of a file."""
    return text.startswith(("/", *URLS)) and "\n" not in text


def _url_of(file: Mapping[str, Any], root: str) -> str | None:
    """Return the URL of a file. Its `url` may be wrong if the Space is behind a proxy."""
    path, url = file.get("path"), file.get("url")
    if isinstance(path, str) and path:
        return path if path.startswith(URLS) else f"{root}file={quote(path, safe='/:')}"
    is_file = "meta" in file or "mime_type" in file  # links have a `url`, too
    return url if is_file and isinstance(url, str) and url.startswith(URLS) else None


def _type_of(file: Mapping[str, Any]) -> str:
    given = file.get("mime_type")
    if isinstance(given, str) and given:
        return given
    names = (file.get(key) for key in ("orig_name", "path", "url"))
    types = (type_of_name(name) for name in names if isinstance(name, str))
    return next(filter(None, types), UNKNOWN)
