"""Keys from a file and from a URL: fetched, refreshed, and kept when a fetch fails."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from opentelemetry.sdk.resources import Resource

from gateway.callers.key_set import MAX_BYTES
from gateway.callers.key_source import CONDITION, KeyFile, KeyUrl
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from tests.callers.making import Clock, JwksServer, jwks, make_key, make_section, serve_keys, to_jwk, to_jwks

OTHER = to_jwks(to_jwk(make_key("ES256", 1), kid="k2"))


@pytest.fixture
async def server() -> AsyncIterator[JwksServer]:
    async with serve_keys() as keys:
        yield keys


METRICS = Metrics(Resource({}))


def _condition(health: Health) -> tuple[str, str]:
    (condition,) = [one for one in health.conditions if one.name == CONDITION]
    return condition.status, condition.reason


def _make(server: JwksServer, health: Health, clock: Clock | None = None, refresh_s: float = 300) -> KeyUrl:
    section = make_section(jwks_file=None, jwks_url=server.url, refresh_s=refresh_s)
    return KeyUrl(server.url, section, health, METRICS, clock or Clock())


async def test_keys_are_fetched_at_the_start(server: JwksServer) -> None:
    health = Health()
    keys = _make(server, health)
    assert not keys.keys
    assert _condition(health) == ("degraded", "the keys are not fetched yet")
    await keys.start()
    assert keys.keys is not None
    assert keys.keys.find("k1") is not None
    assert _condition(health) == ("ok", "")


async def _fail(server: JwksServer, reason: str) -> None:
    """Check that the next fetch fails with a reason, and that the last good keys are kept."""
    health = Health()
    keys = _make(server, health, refresh_s=10)
    good, server.body, status = server.body, jwks(), server.status
    headers, server.headers, server.status = server.headers, {}, 200
    await keys.start()
    server.body, server.status, server.headers = good, status, headers
    await keys.fetch()
    assert keys.keys is not None
    assert keys.keys.find("k1") is not None
    status_name, text = _condition(health)
    assert status_name == "degraded"
    assert reason in text
    assert text.endswith("; the last good keys are used")


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_another_status_is_a_failure(server: JwksServer, status: int) -> None:
    server.status = status
    await _fail(server, f"HTTP status {status}")


async def test_a_redirect_is_not_followed(server: JwksServer) -> None:
    async with serve_keys() as target:
        server.status, server.headers = 302, {"Location": target.url}
        await _fail(server, "HTTP status 302; redirects are not followed")
        assert target.requests == 0


async def test_a_huge_key_set_is_refused(server: JwksServer) -> None:
    server.body = b'{"keys": []' + b" " * MAX_BYTES + b"}"
    await _fail(server, "larger than 262144 bytes")


async def test_an_endless_key_set_is_not_read_to_its_end() -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        writer.close()

    endless = await asyncio.start_server(respond, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{endless.sockets[0].getsockname()[1]}/"
    health = Health()
    await KeyUrl(url, make_section(jwks_file=None, jwks_url=url), health, METRICS).start()
    endless.close()
    assert "larger than 262144 bytes" in _condition(health)[1]


async def test_a_compressed_key_set_is_not_decompressed(server: JwksServer) -> None:
    server.headers, server.body = {"Content-Encoding": "gzip"}, b"\x1f\x8b"
    await _fail(server, "not JSON")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
async def test_another_content_is_a_failure(server: JwksServer, body: bytes) -> None:
    server.body = body
    await _fail(server, "not ")


async def test_a_server_that_does_not_respond_is_a_failure() -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(ignore, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    health = Health()
    keys = KeyUrl(url, make_section(jwks_file=None, jwks_url=url, refresh_s=10), health, METRICS)
    await keys.start()
    silent.close()
    assert keys.keys is None
    assert _condition(health) == ("degraded", f"{url}: no response in time; there are no keys")


async def test_keys_away_and_back(server: JwksServer, logs: pytest.LogCaptureFixture) -> None:
    health = Health()
    keys = _make(server, health)
    await keys.start()
    server.status = 503
    for _ in range(3):
        await keys.fetch()
    failures = [one for one in logs.records if one.message == "keys of callers not fetched"]
    assert len(failures) == 1
    assert _condition(health)[0] == "degraded"
    server.status, server.body = 200, OTHER
    await keys.fetch()
    assert _condition(health) == ("ok", "")
    assert keys.keys is not None
    assert (keys.keys.find("k1"), keys.keys.find("k2") is not None) == (None, True)


async def test_a_key_set_without_keys_is_used_because_all_keys_may_be_revoked(server: JwksServer) -> None:
    health = Health()
    keys = _make(server, health)
    await keys.start()
    server.body = to_jwks({"kty": "oct", "k": "AAAA", "kid": "s"})
    await keys.fetch()
    assert keys.keys is not None
    assert len(keys.keys) == 0
    status, reason = _condition(health)
    assert status == "degraded"
    assert 'contains no key that can be used; key "s": a symmetric key' in reason


async def test_fetches_at_the_same_time_are_one(server: JwksServer) -> None:
    keys = _make(server, Health())
    await asyncio.gather(*(keys.fetch() for _ in range(50)))
    assert (server.requests, keys.fetches) == (1, 1)


async def test_unknown_keys_cause_one_fetch_in_a_pause(server: JwksServer) -> None:
    clock = Clock()
    keys = _make(server, Health(), clock)
    await keys.start()
    for _ in range(100):
        await keys.refetch()
    assert server.requests == 1
    clock.time_s += 30
    await asyncio.gather(*(keys.refetch() for _ in range(100)))
    assert server.requests == 2


async def test_a_caller_that_leaves_does_not_end_the_fetch_of_others(server: JwksServer) -> None:
    keys = _make(server, Health())
    leaving, staying = (asyncio.create_task(keys.fetch()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert leaving.cancelled() or leaving.cancelling()
    assert keys.keys is not None


async def test_keys_are_fetched_again_within_the_configured_time(
    server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, waits = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.time_s += seconds
        if len(waits) == 5:
            raise asyncio.CancelledError
        server.status = 200 if len(waits) in {1, 4} else 500

    keys = _make(server, Health(), clock)
    await keys.start()
    monkeypatch.setattr("gateway.callers.key_source.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await keys.run()
    assert server.requests == 5
    assert all(225 <= wait <= 255 for wait in (waits[0], waits[1], waits[4]))
    assert waits[2:4] == [1, 2]


async def test_a_stop_ends_an_active_fetch(server: JwksServer) -> None:
    keys = _make(server, Health())
    fetching = asyncio.create_task(keys.fetch())
    await asyncio.sleep(0)
    await keys.stop()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await keys.stop()


async def test_https_with_an_authority_of_its_own(tmp_path: Path) -> None:
    authority, roots = trustme.CA(), tmp_path / "roots.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(roots))
    async with serve_keys(context) as server:
        section = make_section(jwks_file=None, jwks_url=server.url, root_certificates=roots)
        keys = KeyUrl(server.url, section, Health(), METRICS)
        await keys.start()
        assert keys.keys is not None
        health = Health()
        distrusting = KeyUrl(server.url, make_section(jwks_file=None, jwks_url=server.url), health, METRICS)
        await distrusting.start()
        assert distrusting.keys is None
        assert "certificate verify failed" in _condition(health)[1]


def test_root_certificates_that_cannot_be_used_are_a_fault(tmp_path: Path) -> None:
    url = "https://id.example/keys"
    section = make_section(jwks_file=None, jwks_url=url, root_certificates=tmp_path / "none.pem")
    with pytest.raises(FaultsError, match=r"none\.pem: callers\.jwt\.root_certificates: cannot be read"):
        KeyUrl(url, section, Health(), METRICS)


async def test_a_file_of_keys_is_loaded_again_when_it_changes(tmp_path: Path) -> None:
    file, health = tmp_path / "keys.json", Health()
    file.write_bytes(jwks())
    keys = KeyFile(file, make_section(), health)
    await keys.start()
    await keys.refetch()
    assert keys.keys is not None
    assert keys.keys.find("k1") is not None
    file.write_bytes(OTHER + b" ")
    keys.look()
    assert (keys.keys.find("k1"), keys.keys.find("k2") is not None) == (None, True)
    file.write_bytes(b"{}")
    keys.look()
    assert keys.keys.find("k2") is not None
    assert _condition(health)[0] == "degraded"
    await keys.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"x", "not JSON"),
        (
            to_jwks({"kty": "oct", "k": "AAAA"}),
            "contains no key that can be used; key at index 0: a symmetric key",
        ),
    ],
    ids=["missing", "malformed", "symmetric"],
)
def test_a_file_without_keys_is_a_fault(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FaultsError) as caught:
        KeyFile(file, make_section(), Health())
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{file}: callers.jwt.jwks_file: {message}")
