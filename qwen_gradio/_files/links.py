"""Link to the files of a reply, for front ends that only return text. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit


class File(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def mime_type(self) -> str: ...
    @property
    def alt(self) -> str: ...


def links_after(text: str, files: Iterable[File]) -> str:
    """Return Markdown to append to a complete reply, with a line for each file.

    Pictures are displayed; other files are links. A blank line separates them from the reply's last
    paragraph, list or table.
    """
    links = "\n".join(map(_link, files))
    return f"\n\n{links}" if text and links else links


def _link(file: File) -> str:
    name = file.alt or unquote(urlsplit(file.url).path.rpartition("/")[2])
    name = re.sub(r"[\[\]\\]", r"\\\g<0>", " ".join(name.split()))
    url = re.sub(r"[\s()<>\\]", lambda found: quote(found[0]), file.url)  # these would end the link
    return f"{'!' * file.mime_type.startswith('image/')}[{name}]({url})"
