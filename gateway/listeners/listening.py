"""The faults that report addresses on which a listener cannot listen."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from gateway.config import Address


def cannot_listen(name: str, listen: Address, error: OSError | None) -> FaultsError:
    """Return the fault for an address that a listener cannot use.

    Args:
        name: the name of the listener's section in the configuration.
        listen: the address.
        error: the error of the system; None if the error is unknown.
    """
    reason = "the address cannot be used"
    if error is not None:  # the text of asyncio contains the address again, so this text is not used
        number = error.errno or 0
        own = os.strerror(number) if number > 0 else error.strerror or str(error)
        reason = f"{own[:1].lower()}{own[1:]}"
    message = f"cannot listen on {listen}: {reason}"
    return FaultsError([Fault(Position("configuration"), f"{name}.listen", message)])


def why_not_listening(listen: Address) -> OSError | None:
    """Return the system's error for an address that cannot be used; None if the address can be used.

    This function is needed because the gRPC library does not report this error.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                probe.listen()
    except OSError as error:
        return error
    return None
