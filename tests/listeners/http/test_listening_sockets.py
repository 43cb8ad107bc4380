"""Listening sockets: where they listen, and how they end."""

from __future__ import annotations

import pytest

from gateway.config import Address
from gateway.listeners.http.listening_sockets import open_sockets


async def test_a_host_name_has_a_socket_for_each_of_its_addresses() -> None:
    sockets = await open_sockets(Address(host="127.0.0.1", port=0))
    try:
        assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1"]
    finally:
        for one in sockets:
            one.close()


async def test_all_addresses_of_the_empty_host_have_one_port() -> None:
    sockets = await open_sockets(Address(host="", port=0))
    try:
        assert len({one.getsockname()[1] for one in sockets}) == 1
    finally:
        for one in sockets:
            one.close()


async def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(OSError, match=r"."):
        await open_sockets(Address(host="192.0.2.1", port=0))
