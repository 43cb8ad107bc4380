"""Packet filters: what they drop, and what they pass."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.listeners.packet_filters import accept_data, drop_data, drop_new_connections


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_new_connections_are_dropped_and_opened_ones_are_kept(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as opened:
        drop_new_connections(listening)
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2)
        accepted, _ = listening.accept()
        with accepted:
            opened.sendall(b"data")
            assert accepted.recv(4) == b"data"


def test_received_data_is_dropped_and_sent_data_is_acknowledged(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as peer:
        accepted, _ = listening.accept()
        with accepted:
            peer.settimeout(5)
            drop_data(accepted)
            peer.sendall(b"early")
            accepted.settimeout(0.1)
            with pytest.raises(TimeoutError):
                accepted.recv(5)
            accepted.settimeout(5)
            large = b"x" * 8_000_000  # more than the buffers of both sockets
            accepted.settimeout(0)
            sent = accepted.send(large)
            while sent < len(large):
                peer.recv(1_000_000)
                with suppress(BlockingIOError):
                    sent += accepted.send(large[sent:])
            accepted.settimeout(5)
            accept_data(accepted)
            assert accepted.recv(5) == b"early"  # the peer has sent it again
