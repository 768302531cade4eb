"""Whether an address can be listened on, which servers themselves say less clearly."""

from __future__ import annotations

import socket


def require_free(host: str, port: int | None) -> None:
    """Check that the address can be listened on; without a port, at any.

    :raises OSError: if it cannot.
    """
    where = host if port is None else f"{host}, port {port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise OSError(f"Cannot listen on {where}: {error.strerror}") from error
