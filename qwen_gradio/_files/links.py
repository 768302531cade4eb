"""Link to the files of a reply, where a reply is only text. Nothing here does I/O."""

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
    """Return the Markdown after a complete reply: a line for each file.

    A picture is shown, and any other file is a link. The blank line before them keeps them out of
    the reply's last paragraph, list or table.
    """
    links = "\n".join(map(_link, files))
    return f"\n\n{links}" if text and links else links


def _link(file: File) -> str:
    name = file.alt or unquote(urlsplit(file.url).path.rpartition("/")[2])
    name = re.sub(r"[\[\]\\]", r"\\\g<0>", " ".join(name.split()))
    url = re.sub(r"[\s()<>\\]", lambda found: quote(found[0]), file.url)  # would end the link
    return f"{'!' * file.mime_type.startswith('image/')}[{name}]({url})"
