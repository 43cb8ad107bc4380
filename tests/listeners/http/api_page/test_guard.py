"""Who may try calls, and which web pages may ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.config import Config
from gateway.config.listeners import ListenerTls
from gateway.listeners.http.api_page.guard import TryGuard, is_own_page

OWN = {
    "Host": "localhost:9090",
    "Origin": "http://localhost:9090",
    "Sec-Fetch-Site": "same-origin",
    "Content-Type": "application/json",
    "X-Try-Call": "1",
}
AWAY = "calls can be tried only from the host of the gateway"
NAMED = "calls can be tried only if the page is opened with localhost or an IP address"


def guard(mode: str = "local", **rest: Any) -> TryGuard:
    config = Config()
    admin = config.admin.model_copy(update={"try_calls": mode})
    return TryGuard(config.model_copy(update={"admin": admin, "rest": config.rest.model_copy(update=rest)}))


@pytest.mark.parametrize(
    ("changes", "is_own"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": None}, True),
        ({"Origin": "https://localhost:9090"}, True),
        ({"Content-Type": "application/json; charset=utf-8"}, True),
        ({"X-Try-Call": None}, False),
        ({"X-Try-Call": "2"}, False),
        ({"Origin": None}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost:9091"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://[::"}, False),
        ({"Origin": "file://localhost:9090"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Content-Type": "text/plain"}, False),
        ({"Content-Type": None}, False),
        ({"Host": "", "Origin": "http://"}, False),
    ],
    ids=str,
)
def test_only_the_page_itself_may_ask(changes: dict[str, str | None], is_own: bool) -> None:  # noqa: FBT001
    headers = CIMultiDict({name: value for name, value in (OWN | changes).items() if value is not None})
    assert is_own_page(headers) is is_own


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9090", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3", "LOCALHOST"]
)
def test_hosts_that_no_name_server_can_change_are_accepted(host: str) -> None:
    assert guard().find_obstacle("127.0.0.1", {"host": host}) == ""


@pytest.mark.parametrize(
    "host",
    ["evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example", "", "a@127.0.0.1", "1.2.3"],
)
def test_other_hosts_are_refused(host: str) -> None:
    assert guard().find_obstacle("127.0.0.1", {"host": host}) == NAMED
    assert guard("always").find_obstacle("127.0.0.1", {"host": host}) == NAMED


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_local_peers_may_try_calls(peer: str) -> None:
    assert guard().find_obstacle(peer, {"host": "localhost"}) == ""


@pytest.mark.parametrize("peer", ["10.0.0.7", "fe80::1%eth0", ""])
def test_other_peers_may_try_calls_only_if_everybody_may(peer: str) -> None:
    assert guard().find_obstacle(peer, {"host": "10.0.0.1"}).startswith(AWAY)
    assert guard("always").find_obstacle(peer, {"host": "10.0.0.1"}) == ""


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_requests_through_a_proxy_are_not_local(name: str) -> None:
    headers = CIMultiDict({"Host": "localhost", name: "127.0.0.1"})
    assert guard().find_obstacle("127.0.0.1", headers).startswith(AWAY)


def test_nobody_may_try_calls_if_they_are_turned_off() -> None:
    assert "never" in guard("never").find_obstacle("127.0.0.1", {"host": "localhost"})


def test_calls_cannot_be_tried_without_a_client_certificate() -> None:
    tls = ListenerTls(certificate=Path("c"), key=Path("k"), client_ca=Path("a"))
    assert "client certificates" in guard(tls=tls).find_obstacle("127.0.0.1", {"host": "localhost"})
