"""Attacks on JSON web tokens: https://www.rfc-editor.org/rfc/rfc8725."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from opentelemetry.sdk.resources import Resource

from gateway.callers.key_source import KeyUrl
from gateway.callers.web_tokens import MAX_WAITING, WebTokenVerifier
from gateway.errors import Code, GatewayError
from gateway.telemetry import Health, Metrics
from tests.callers.making import (
    Clock,
    JwksServer,
    encode_part,
    jwks,
    make_claims,
    make_key,
    make_section,
    serve_keys,
    sign,
    to_jwk,
    to_jwks,
)
from tests.callers.web_tokens import (
    FixedKeys,
    check_refused,
    make_verifier,
    now,
    present,
    sign_hmac,
    sign_raw,
    verify,
)

METRICS = Metrics(Resource({}))


async def test_an_expired_token_is_refused() -> None:
    await check_refused(sign(make_claims(exp=now() - 31)), "EXPIRED")
    assert (await verify(sign(make_claims(exp=now() - 20)))).id == "ann"
    await check_refused(sign(make_claims(exp=now() - 20)), "EXPIRED", make_verifier(clock_skew_s=0))


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_an_early_token_is_refused(claim: str) -> None:
    await check_refused(sign(make_claims(**{claim: now() + 60})), "NOT_YET_VALID")
    assert (await verify(sign(make_claims(**{claim: now() + 20})))).id == "ann"


async def test_a_forged_token_is_refused() -> None:
    await check_refused(sign(key=make_key("ES256", 7)), "BAD_SIGNATURE")
    head, _, signature = sign().split(".")
    await check_refused(f"{head}.{encode_part(make_claims(sub='root'))}.{signature}", "BAD_SIGNATURE")
    await check_refused(f"{head}.{encode_part(make_claims())}.", "BAD_SIGNATURE")
    await check_refused(f"{head}.{encode_part(make_claims())}.AAAA", "BAD_SIGNATURE")


@pytest.mark.parametrize(
    "issuer", ["https://other.example", "https://id.example/", "", ["https://id.example"], 5]
)
async def test_a_token_of_another_issuer_is_refused(issuer: Any) -> None:
    token = sign(make_claims() | {"iss": issuer}) if isinstance(issuer, str) else sign_raw({"iss": issuer})
    await check_refused(token, "WRONG_ISSUER")


@pytest.mark.parametrize("audience", ["other", "gateway2", ["other"], [["gateway"]], {"gateway": 1}, 5])
async def test_a_token_for_another_audience_is_refused(audience: Any) -> None:
    await check_refused(sign_raw({"aud": audience}), "WRONG_AUDIENCE")


async def test_one_audience_of_a_list_is_enough() -> None:
    assert (await verify(sign(make_claims(aud=["other", "gateway"])))).id == "ann"
    assert (await verify(sign(make_claims(aud="b")), audience=["a", "b"])).id == "ann"


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
async def test_a_token_without_a_required_claim_is_refused(claim: str) -> None:
    error = await check_refused(sign(make_claims(**{claim: None})), "CLAIMS")
    assert error.text == f"has no claim {claim}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_alg_none_is_refused(algorithm: str, signature: str) -> None:
    header = encode_part({"alg": algorithm, "typ": "JWT", "kid": "k1"})
    await check_refused(f"{header}.{encode_part(make_claims())}.{signature}", "ALGORITHM")


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "x"])
async def test_hmac_with_the_public_key_is_refused(form: str) -> None:
    public, jwk = make_key("ES256").public_key(), to_jwk(make_key("ES256"))
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": str(jwk).encode(),
        "x": jwk["x"].encode(),
    }
    await check_refused(sign_hmac(secrets[form]), "ALGORITHM")


async def test_an_algorithm_of_another_type_of_key_is_refused() -> None:
    await check_refused(sign(key=make_key("RS256"), algorithm="RS256"), "ALGORITHM")


async def test_the_algorithm_of_a_key_is_the_one_that_it_is_published_for() -> None:
    key = make_key("RS256")
    keys = FixedKeys(to_jwks(to_jwk(key, kid="k1", alg="RS256")))
    verifier = make_verifier(keys, algorithms=["RS256", "PS256"])
    await check_refused(sign(key=key, algorithm="PS256"), "ALGORITHM", verifier)
    assert (await verifier.verify(present(sign(key=key, algorithm="RS256")))).id == "ann"


async def test_a_symmetric_key_in_the_key_set_is_not_used() -> None:
    secret = b"s" * 64
    keys = FixedKeys(
        to_jwks({"kty": "oct", "k": encode_part(secret), "kid": "k1"}, to_jwk(make_key("ES256"), kid="k2"))
    )
    await check_refused(sign_hmac(secret), "ALGORITHM", make_verifier(keys))
    await check_refused(sign(), "UNKNOWN_KEY", make_verifier(keys))


@pytest.mark.parametrize(
    "parameter",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"jwk": to_jwk(make_key("ES256", 7))},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"zip": "DEF"},
    ],
    ids=lambda one: "+".join(
        f"{name}={len(str(value))}" if name != "jwk" else name for name, value in one.items()
    ),
)
async def test_jku_x5u_jwk_x5c_and_crit_are_refused(parameter: dict[str, Any]) -> None:
    header = {"alg": "ES256", "typ": "JWT", "kid": "k1"} | parameter
    token = sign_raw({}, header)
    await check_refused(token, "HEADER")
    assert (await verify(sign_raw({}, {"alg": "ES256", "kid": "k1", "x5t": "a", "other": 1}))).id == "ann"


@pytest.mark.parametrize("kind", ["logout+jwt", "JWE", "", 5, None])
async def test_a_token_for_another_use_is_refused(kind: Any) -> None:
    await check_refused(sign_raw({}, {"alg": "ES256", "kid": "k1", "typ": kind}), "HEADER")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+JWT"])
async def test_the_types_of_access_tokens(kind: str) -> None:
    assert (await verify(sign_raw({}, {"alg": "ES256", "kid": "k1", "typ": kind}))).id == "ann"


@pytest.mark.parametrize("kid", ["k2", "", "../k1", "k1 ", "k" * 1000, None])
async def test_an_unknown_key_is_refused(kid: str | None) -> None:
    keys = FixedKeys(to_jwks(to_jwk(make_key("ES256"), kid="k1"), to_jwk(make_key("ES256", 1), kid="k3")))
    await check_refused(sign(kid=kid), "UNKNOWN_KEY", make_verifier(keys))
    assert keys.refetches == 1


@pytest.mark.parametrize("kid", [5, ["k1"], {}])
async def test_a_key_id_that_is_no_text_is_refused(kid: Any) -> None:
    await check_refused(sign_raw({}, {"alg": "ES256", "kid": kid}), "HEADER")


async def test_a_token_without_a_key_id_is_accepted_if_there_is_one_key() -> None:
    assert (await verify(sign(kid=None))).id == "ann"


@pytest.fixture
async def server() -> AsyncIterator[JwksServer]:
    async with serve_keys() as keys:
        yield keys


async def test_a_flood_of_unknown_keys_causes_one_fetch(server: JwksServer) -> None:
    clock = Clock()
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health(), METRICS, clock)
    verifier = WebTokenVerifier(section, source)
    await source.start()
    clock.time_s += 60
    for number in range(200):
        await check_refused(sign(kid=f"unknown-{number}"), "UNKNOWN_KEY", verifier)
    assert server.requests == 2


async def test_few_requests_wait_for_a_fetch_of_unknown_keys() -> None:
    """They are not identified, so any number of them could come from anywhere."""

    class SlowKeys(FixedKeys):
        async def refetch(self) -> None:
            await asyncio.Event().wait()

    verifier = make_verifier(SlowKeys(jwks()))
    unknown = present(sign(kid="unknown"))
    waiting = [asyncio.create_task(verifier.verify(unknown)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayError) as caught:
        await verifier.verify(unknown)
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "KEYS_UNAVAILABLE")
    assert (await verifier.verify(present(sign()))).id == "ann"
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    last = asyncio.create_task(verifier.verify(unknown))
    await asyncio.sleep(0)
    assert not last.done()
    last.cancel()


async def test_a_new_key_is_fetched_when_a_token_names_it(server: JwksServer) -> None:
    clock, key = Clock(), make_key("ES256", 1)
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health(), METRICS, clock)
    verifier = WebTokenVerifier(section, source)
    await source.start()
    server.body = to_jwks(to_jwk(make_key("ES256"), kid="k1"), to_jwk(key, kid="k2"))
    await check_refused(sign(key=key, kid="k2"), "UNKNOWN_KEY", verifier)
    clock.time_s += 30
    assert (await verifier.verify(present(sign(key=key, kid="k2")))).id == "ann"


async def test_keys_away_keep_the_last_good_ones(server: JwksServer) -> None:
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health(), METRICS)
    verifier = WebTokenVerifier(section, source)
    server.status = 500
    await source.start()
    with pytest.raises(GatewayError) as caught:
        await verifier.verify(present(sign()))
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "KEYS_UNAVAILABLE")
    server.status = 200
    await source.fetch()
    server.status = 500
    await source.fetch()
    assert (await verifier.verify(present(sign()))).id == "ann"


async def test_a_removed_key_is_refused_also_for_a_token_that_was_verified() -> None:
    keys = FixedKeys(jwks())
    verifier = make_verifier(keys)
    given = present(sign())
    identity = await verifier.verify(given)
    keys.set(jwks())
    assert verifier.recall(given) is identity
    keys.set(to_jwks(to_jwk(make_key("ES256", 1), kid="k1")))
    assert verifier.recall(given) is None
    await check_refused(given.bearer.text, "BAD_SIGNATURE", verifier)
    keys.set(to_jwks(to_jwk(make_key("ES256", 1), kid="k2")))
    await check_refused(given.bearer.text, "UNKNOWN_KEY", verifier)
    keys.set(to_jwks())
    await check_refused(given.bearer.text, "UNKNOWN_KEY", verifier)
