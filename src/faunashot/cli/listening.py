"""Where pages and servers of this machine listen."""

from __future__ import annotations

import socket

from faunashot.errors import ParameterError


def listen(host: str, port: int) -> socket.socket:
    """Socket that listens at an address; port 0 takes one that is free.

    Raises
    ------
    ParameterError
        It is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ParameterError(
            f"port {port} of {host}: {reason}; name another with --port"
        ) from error
