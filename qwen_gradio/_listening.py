"""Listen on an address. If it is in use, the error is clearer than the server's own."""

from __future__ import annotations

import socket


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket. Without a port, it listens on a free one.

    :raises OSError: if the address cannot be used.
    """
    where = host if port is None else f"{host}, port {port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise OSError(f"Cannot listen on {where}: {error.strerror}") from error
