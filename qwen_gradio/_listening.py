"""Listen on an address, with a clearer error than the server's if it is taken."""

from __future__ import annotations

import socket


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on the address; without a port, on a free one.

    :raises OSError: if it cannot be listened on.
    """
    where = host if port is None else f"{host}, port {port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise OSError(f"Cannot listen on {where}: {error.strerror}") from error
