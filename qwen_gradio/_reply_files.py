"""Files that came with a reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from ._access import Access
from ._files.attachments import MAX_FILE_BYTES


@dataclass(frozen=True)
class ReplyFile:
    """A file that came with a reply, such as a picture. It is downloaded only on request.

    :ivar url: its URL, on the Space or, if the reply says so, at another host.
    :ivar mime_type: its type, such as "image/png".
    :ivar alt: its description; "" if it has none.
    """

    url: str
    mime_type: str
    alt: str
    _access: Access = field(repr=False)
    _timeout: float = field(repr=False)

    async def read(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Download the file, with the token and the proxy of the reply.

        :raises SpaceInterfaceError: if it has more than `max_bytes`, or is at another host: other
            hosts are never asked.
        :raises QwenGradioError: if the Space does not send the file.
        """
        read = partial(self.read_sync, max_bytes)
        return await anyio.to_thread.run_sync(read, abandon_on_cancel=True)

    def read_sync(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Do what `read` does, without `await`."""
        from ._gradio.downloads import download  # imports gradio_client

        return download(self.url, self._access, self._timeout, max_bytes)
