"""Requests of attackers: failed attempts are limited, and whatever is sent, it is refused."""

from __future__ import annotations

import base64
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.callers.bounded_cache import BoundedCache
from gateway.errors import Code, GatewayError, to_status
from tests.callers.identifying import (
    ALL,
    DISCOVERY,
    TOKEN,
    Make,
    fails,
    make,
    misses,
    refuses,
)
from tests.callers.making import (
    HEADER,
    Clock,
    make_certificate,
    make_claims,
    make_head,
    make_key,
    serve_keys,
    sign,
)
from tests.rounds import IS_LONG, examples, rounds

__all__ = ["make"]  # a fixture


# --- failed attempts


async def test_failed_attempts_of_an_address_are_limited(make: Make) -> None:
    clock = Clock()
    identifier = make(*ALL, clock=clock, failed_attempts="3/minute")
    for wrong in ("wrong", sign(make_claims(exp=1)), ""):
        await refuses(identifier, make_head(wrong), Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    error = await refuses(identifier, make_head("wrong"), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert error.retry_after_s == 20
    await refuses(identifier, make_head(""), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    await refuses(identifier, make_head(certificate=b"x"), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert (await identifier.identify(make_head(TOKEN, address="192.0.2.2"))).address
    clock.time_s += 20
    await fails(identifier, make_head("wrong"), "UNKNOWN_TOKEN")
    await refuses(identifier, make_head("wrong"), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")


async def test_credentials_that_were_verified_are_not_limited(make: Make) -> None:
    identifier = make(*ALL, failed_attempts="1/minute")
    web, certificate = sign(), make_certificate()
    heads = [make_head(TOKEN), make_head(web), make_head(certificate=certificate)]
    for head in heads:
        await identifier.identify(head)
    await fails(identifier, make_head("wrong"), "UNKNOWN_TOKEN")
    for head in heads:
        assert (await identifier.identify(head)).address
    for head in (make_head(sign(make_claims(sub="bob"))), make_head(certificate=make_certificate("CN=bob"))):
        await refuses(identifier, head, Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")


async def test_an_address_at_its_limit_cannot_go_on_guessing_the_tokens_of_others(make: Make) -> None:
    identifier = make("tokens", failed_attempts="1/minute")
    assert (await identifier.identify(make_head(TOKEN, address="192.0.2.2"))).address
    await fails(identifier, make_head("wrong"), "UNKNOWN_TOKEN")
    await refuses(identifier, make_head(TOKEN), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")


async def test_a_missing_credential_is_no_failed_attempt(make: Make) -> None:
    identifier = make("tokens", failed_attempts="1/minute")
    for _ in range(5):
        await misses(identifier, make_head())
    assert (await identifier.identify(make_head(TOKEN))).address
    await fails(identifier, make_head("wrong"), "UNKNOWN_TOKEN")
    await misses(identifier, make_head())
    assert (await identifier.identify(make_head(method=DISCOVERY))).address


async def test_the_addresses_of_an_ipv6_network_share_their_attempts(make: Make) -> None:
    identifier = make("tokens", failed_attempts="1/minute")
    await fails(identifier, make_head("wrong", address="2001:db8::1"), "UNKNOWN_TOKEN")
    near, far = make_head("wrong", address="2001:db8::2"), make_head("wrong", address="2001:db8:0:1::1")
    await refuses(identifier, near, Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    await fails(identifier, far, "UNKNOWN_TOKEN")


async def test_keys_that_cannot_be_fetched_are_no_failed_attempt(make: Make) -> None:
    async with serve_keys() as server:
        server.status = 500
        url = {"issuer": "https://id.example", "audience": "gateway", "jwks_url": server.url}
        identifier = make("jwt", jwt=url, failed_attempts="1/minute")
        await identifier.start()
        for _ in range(3):
            await refuses(identifier, make_head(sign()), Code.UNAVAILABLE, "KEYS_UNAVAILABLE")
        await identifier.stop()


# --- whatever is sent

FIXTURE = [HealthCheck.function_scoped_fixture]  # the files of the fixture do not change


_HEADERS = st.text(st.characters(codec=None, exclude_categories=[]), max_size=80)


@settings(examples(100, long=2000), suppress_health_check=FIXTURE)
@given(_HEADERS | _HEADERS.map(lambda text: f"Bearer {text}"), st.sampled_from([None, b"", b"0\x82"]))
async def test_any_header_identifies_nobody_or_is_refused(
    make: Make, value: str, certificate: bytes | None
) -> None:
    for kinds in (("jwt", "tokens"), ("tokens",), ("mtls", "jwt")):
        with pytest.raises(GatewayError) as caught:
            await make(*kinds).identify(make_head(None, (HEADER, value), certificate=certificate))
        assert caught.value.code is Code.UNAUTHENTICATED


_PARTS = st.text(st.sampled_from("abzAZ019-_=+/{}\"':,"), max_size=40) | st.binary(max_size=40).map(
    lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
)


@settings(examples(100, long=2000), suppress_health_check=FIXTURE)
@given(st.lists(_PARTS, min_size=1, max_size=5), st.integers(0, 4))
async def test_any_parts_of_tokens_are_refused(make: Make, parts: list[str], place: int) -> None:
    genuine = sign().split(".")
    mixed = [*genuine[: place % 3], *parts] if place else parts
    token = ".".join(mixed)
    if mixed != genuine:
        await refuses(make("jwt", "tokens"), make_head(token), Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def test_no_credential_is_shown_anywhere(make: Make, logs: pytest.LogCaptureFixture) -> None:
    identifier = make(*ALL, failed_attempts="100/second")
    forged = sign(make_claims(sub="canary"), key=make_key("ES256", 5))
    secrets = ["canary-token", forged, sign(make_claims(exp=1)), f"a.{'canary' * 20}.c", "canary é"]
    shown = []
    for secret in secrets:
        head = make_head(secret)
        shown.append(repr(head))
        with pytest.raises(GatewayError) as caught:
            await identifier.identify(head)
        error = caught.value
        shown += [
            str(error),
            repr(error),
            str(to_status(error, "id")),
            repr(error.__cause__),
            repr(error.headers),
        ]
    shown += [str(vars(one)) for one in logs.records]
    caller = await identifier.identify(make_head(TOKEN))
    text = "".join([*shown, repr(caller), repr(identifier), repr(vars(identifier))])
    for secret in [*secrets, TOKEN]:
        assert secret not in text
        assert not any(part in text for part in secret.split(".") if len(part) > 5)


async def test_memory_is_bounded_whatever_is_sent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maximum sizes of the caches are reached in the first round, so the second one adds nothing."""
    if not IS_LONG:
        initialize = BoundedCache.__init__
        monkeypatch.setattr(BoundedCache, "__init__", lambda cache, size: initialize(cache, min(size, 100)))
    identifier = make("tokens", failed_attempts="1/hour")

    async def flood(first: int, count: int) -> None:
        for number in range(first, first + count):
            address = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
            other = f"2001:db9:{number >> 16:x}:{number & 0xFFFF:x}::1"
            for head in (make_head(f"token-{number}", address=address), make_head(TOKEN, address=other)):
                try:
                    await identifier.identify(head)
                except GatewayError:
                    continue
            await identifier.identify(
                make_head(TOKEN, address=f"192.0.{number % 60_000 >> 8}.{number & 255}")
            )

    count = rounds(2000, 100_000)
    await flood(0, count)
    before = sys.getallocatedblocks()
    await flood(count, count)
    assert sys.getallocatedblocks() - before < count // 2
