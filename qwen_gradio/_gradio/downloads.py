"""Download the files of replies, from their own Space only."""

from __future__ import annotations

from contextlib import closing

from .._access import Access
from ..errors import SpaceInterfaceError
from .connection import Connection, TooLargeError
from .errors import connect_errors
from .space import space_at


def download(url: str, access: Access, timeout: float, max_bytes: int) -> bytes:
    """Return the content of a file on a Space.

    :raises SpaceInterfaceError: if it is at another host, or larger.
    :raises QwenGradioError: if the Space does not answer with it.
    """
    with closing(Connection(access, timeout)) as connection:
        description = space_at(access).describe(connection)
        client = description.client
        if not url.startswith(client.src):
            raise SpaceInterfaceError(
                f"The reply from {access.space} names a file at another host, {url:.300}, which is "
                "not read. It may be downloaded by other means, without a token"
            )
        connection.use_cookies(description.cookies)
        with connect_errors(access.space):
            try:
                response = connection.request(
                    "GET", url, headers=client.headers, max_bytes=max_bytes
                )
            except TooLargeError as error:
                raise SpaceInterfaceError(
                    f"{url:.300} has more than {max_bytes} bytes. Give `max_bytes` to read more"
                ) from error
        return bytes(response.content)
