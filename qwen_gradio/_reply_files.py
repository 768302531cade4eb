"""Files that came with a reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from ._access import Access
from ._files.attachments import MAX_FILE_BYTES


@dataclass(frozen=True)
class ReplyFile:
    """A file that came with a reply, such as a picture. It is read only on request.

    :ivar url: where it is: on the Space, or at another host if the Space's reply names one.
    :ivar mime_type: its type, such as "image/png", if the Space reports it.
    :ivar alt: its description; "" if it has none.
    """

    url: str
    mime_type: str
    alt: str
    _access: Access = field(repr=False)
    _timeout: float = field(repr=False)

    async def read(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return its content, read from the Space as the reply was: with its token and proxy.

        :raises SpaceInterfaceError: if it has more than `max_bytes`, or is at another host, which
            is never asked.
        :raises QwenGradioError: if the Space does not answer with it.
        """
        read = partial(self.read_sync, max_bytes)
        return await anyio.to_thread.run_sync(read, abandon_on_cancel=True)

    def read_sync(self, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Do what `read` does, without `await`."""
        from ._gradio.downloads import download  # imports gradio_client

        return download(self.url, self._access, self._timeout, max_bytes)
