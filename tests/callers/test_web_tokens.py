"""Callers that present JSON web tokens, and every attack on them that is known."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from gateway.callers.credentials import PresentedCredentials
from gateway.callers.identity import CredentialError, Identity
from gateway.callers.key_set import KeySet, parse_key_set
from gateway.callers.key_source import KeyUrl
from gateway.callers.web_tokens import WebTokenVerifier
from gateway.errors import Code, GatewayError
from gateway.telemetry import Health
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

NOW = int(time.time())


def _sign_raw(claims: dict[str, Any] | bytes, header: dict[str, Any] | None = None) -> str:
    """Sign claims or a payload, and a header, that the library refuses to sign."""
    payload = claims if isinstance(claims, bytes) else make_claims() | claims
    signed = f"{encode_part(header or {'alg': 'ES256', 'kid': 'k1'})}.{encode_part(payload)}"
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(signed.encode(), make_key("ES256"))
    return f"{signed}.{encode_part(signature)}"


def _sign_hmac(secret: bytes) -> str:
    signed = f"{encode_part({'alg': 'HS256', 'kid': 'k1'})}.{encode_part(make_claims())}"
    return f"{signed}.{encode_part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


class Keys:
    """A source whose keys a test sets."""

    def __init__(self, data: bytes | None = None) -> None:
        self.keys: KeySet | None = None
        self.refetches = 0
        if data is not None:
            self.set(data)

    def set(self, data: bytes) -> None:
        self.keys = parse_key_set(data, ("ES256", "RS256", "PS256", "EdDSA"))

    async def refetch(self) -> None:
        self.refetches += 1

    async def start(self) -> None: ...

    async def run(self) -> Any: ...

    async def stop(self) -> None: ...


def _verifier(keys: Keys | None = None, **section: Any) -> WebTokenVerifier:
    return WebTokenVerifier(make_section(**section), keys or Keys(jwks()))


def _given(token: str) -> PresentedCredentials:
    return PresentedCredentials("192.0.2.1", None, f"Bearer {token}")


async def _verify(token: str, **section: Any) -> Identity:
    return await _verifier(**section).verify(_given(token))


async def _refuse(token: str, problem: str, verifier: WebTokenVerifier | None = None) -> CredentialError:
    """Check that a token is refused for one problem, and that the error contains no part of it."""
    verifier = verifier or _verifier()
    assert verifier.recall(_given(token)) is None
    with pytest.raises(CredentialError) as caught:
        await verifier.verify(_given(token))
    assert caught.value.problem == problem
    assert caught.value.__cause__ is None
    parts = [token, *(part for part in token.split(".") if len(part) > 4)]
    assert not any(part in str(caught.value) + caught.value.text for part in parts)
    assert verifier.remembered == 0
    return caught.value


async def test_a_good_token_names_its_caller() -> None:
    claims = make_claims(
        groups=["builders", "admins"], team="infra", level=3, is_human=True, nested={"a": [1]}
    )
    identity = await _verify(sign(claims))
    assert (identity.kind, identity.id, identity.groups) == ("jwt", "ann", ("builders", "admins"))
    assert identity.claims == {
        "iss": "https://id.example",
        "aud": "gateway",
        "sub": "ann",
        "exp": str(claims["exp"]),
        "iat": str(claims["iat"]),
        "team": "infra",
        "level": "3",
        "is_human": "true",
        "nested": '{"a":[1]}',
    }


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_every_algorithm(algorithm: str) -> None:
    key = make_key(algorithm)
    keys = Keys(to_jwks(to_jwk(key, kid="k1", alg=algorithm)))
    verifier = _verifier(keys, algorithms=[algorithm])
    assert (await verifier.verify(_given(sign(key=key, algorithm=algorithm)))).id == "ann"


async def test_a_verified_token_is_recalled_until_it_expires() -> None:
    times = [float(NOW)]
    verifier = WebTokenVerifier(make_section(clock_skew_s=5), Keys(jwks()), now=lambda: times[0])
    given = _given(sign(make_claims(exp=NOW + 60)))
    assert verifier.recall(given) is None
    identity = await verifier.verify(given)
    times[0] = NOW + 64.9
    assert verifier.recall(_given(given.bearer.text)) is identity
    times[0] = NOW + 65
    assert verifier.recall(given) is None
    assert verifier.remembered == 0


# --- attacks


async def test_an_expired_token_is_refused() -> None:
    await _refuse(sign(make_claims(exp=NOW - 31)), "EXPIRED")
    assert await _verify(sign(make_claims(exp=NOW - 20)))
    await _refuse(sign(make_claims(exp=NOW - 20)), "EXPIRED", _verifier(clock_skew_s=0))


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_an_early_token_is_refused(claim: str) -> None:
    await _refuse(sign(make_claims(**{claim: NOW + 60})), "NOT_YET_VALID")
    assert await _verify(sign(make_claims(**{claim: NOW + 20})))


async def test_a_forged_token_is_refused() -> None:
    await _refuse(sign(key=make_key("ES256", 7)), "BAD_SIGNATURE")
    head, _, signature = sign().split(".")
    await _refuse(f"{head}.{encode_part(make_claims(sub='root'))}.{signature}", "BAD_SIGNATURE")
    await _refuse(f"{head}.{encode_part(make_claims())}.", "BAD_SIGNATURE")
    await _refuse(f"{head}.{encode_part(make_claims())}.AAAA", "BAD_SIGNATURE")


@pytest.mark.parametrize(
    "issuer", ["https://other.example", "https://id.example/", "", ["https://id.example"], 5]
)
async def test_a_token_of_another_issuer_is_refused(issuer: Any) -> None:
    token = sign(make_claims() | {"iss": issuer}) if isinstance(issuer, str) else _sign_raw({"iss": issuer})
    await _refuse(token, "WRONG_ISSUER")


@pytest.mark.parametrize("audience", ["other", "gateway2", ["other"], [["gateway"]], {"gateway": 1}, 5])
async def test_a_token_for_another_audience_is_refused(audience: Any) -> None:
    await _refuse(_sign_raw({"aud": audience}), "WRONG_AUDIENCE")


async def test_one_audience_of_a_list_is_enough() -> None:
    assert await _verify(sign(make_claims(aud=["other", "gateway"])))
    assert await _verify(sign(make_claims(aud="b")), audience=["a", "b"])


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
async def test_a_token_without_a_required_claim_is_refused(claim: str) -> None:
    error = await _refuse(sign(make_claims(**{claim: None})), "CLAIMS")
    assert error.text == f"has no claim {claim}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_alg_none_is_refused(algorithm: str, signature: str) -> None:
    header = encode_part({"alg": algorithm, "typ": "JWT", "kid": "k1"})
    await _refuse(f"{header}.{encode_part(make_claims())}.{signature}", "ALGORITHM")


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "x"])
async def test_hmac_with_the_public_key_is_refused(form: str) -> None:
    public, jwk = make_key("ES256").public_key(), to_jwk(make_key("ES256"))
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": str(jwk).encode(),
        "x": jwk["x"].encode(),
    }
    await _refuse(_sign_hmac(secrets[form]), "ALGORITHM")


async def test_an_algorithm_of_another_type_of_key_is_refused() -> None:
    await _refuse(sign(key=make_key("RS256"), algorithm="RS256"), "ALGORITHM")


async def test_the_algorithm_of_a_key_is_the_one_that_it_is_published_for() -> None:
    key = make_key("RS256")
    keys = Keys(to_jwks(to_jwk(key, kid="k1", alg="RS256")))
    verifier = _verifier(keys, algorithms=["RS256", "PS256"])
    await _refuse(sign(key=key, algorithm="PS256"), "ALGORITHM", verifier)
    assert await verifier.verify(_given(sign(key=key, algorithm="RS256")))


async def test_a_symmetric_key_in_the_key_set_is_not_used() -> None:
    secret = b"s" * 64
    keys = Keys(
        to_jwks({"kty": "oct", "k": encode_part(secret), "kid": "k1"}, to_jwk(make_key("ES256"), kid="k2"))
    )
    await _refuse(_sign_hmac(secret), "ALGORITHM", _verifier(keys))
    await _refuse(sign(), "UNKNOWN_KEY", _verifier(keys))


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
    token = _sign_raw({}, header)
    await _refuse(token, "HEADER")
    assert await _verify(_sign_raw({}, {"alg": "ES256", "kid": "k1", "x5t": "a", "other": 1}))


@pytest.mark.parametrize("kind", ["logout+jwt", "JWE", "", 5, None])
async def test_a_token_for_another_use_is_refused(kind: Any) -> None:
    await _refuse(_sign_raw({}, {"alg": "ES256", "kid": "k1", "typ": kind}), "HEADER")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+JWT"])
async def test_the_types_of_access_tokens(kind: str) -> None:
    assert await _verify(_sign_raw({}, {"alg": "ES256", "kid": "k1", "typ": kind}))


@pytest.mark.parametrize("kid", ["k2", "", "../k1", "k1 ", "k" * 1000, None])
async def test_an_unknown_key_is_refused(kid: str | None) -> None:
    keys = Keys(to_jwks(to_jwk(make_key("ES256"), kid="k1"), to_jwk(make_key("ES256", 1), kid="k3")))
    await _refuse(sign(kid=kid), "UNKNOWN_KEY", _verifier(keys))
    assert keys.refetches == 1


@pytest.mark.parametrize("kid", [5, ["k1"], {}])
async def test_a_key_id_that_is_no_text_is_refused(kid: Any) -> None:
    await _refuse(_sign_raw({}, {"alg": "ES256", "kid": kid}), "HEADER")


async def test_a_token_without_a_key_id_is_accepted_if_there_is_one_key() -> None:
    assert await _verify(sign(kid=None))


@pytest.fixture
async def server() -> AsyncIterator[JwksServer]:
    async with serve_keys() as keys:
        yield keys


async def test_a_flood_of_unknown_keys_causes_one_fetch(server: JwksServer) -> None:
    clock = Clock()
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health(), clock)
    verifier = WebTokenVerifier(section, source)
    await source.start()
    clock.time_s += 60
    for number in range(200):
        await _refuse(sign(kid=f"unknown-{number}"), "UNKNOWN_KEY", verifier)
    assert server.requests == 2


async def test_a_new_key_is_fetched_when_a_token_names_it(server: JwksServer) -> None:
    clock, key = Clock(), make_key("ES256", 1)
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health(), clock)
    verifier = WebTokenVerifier(section, source)
    await source.start()
    server.body = to_jwks(to_jwk(make_key("ES256"), kid="k1"), to_jwk(key, kid="k2"))
    await _refuse(sign(key=key, kid="k2"), "UNKNOWN_KEY", verifier)
    clock.time_s += 30
    assert await verifier.verify(_given(sign(key=key, kid="k2")))


async def test_keys_away_keep_the_last_good_ones(server: JwksServer) -> None:
    section = make_section(jwks_file=None, jwks_url=server.url)
    source = KeyUrl(server.url, section, Health())
    verifier = WebTokenVerifier(section, source)
    server.status = 500
    await source.start()
    with pytest.raises(GatewayError) as caught:
        await verifier.verify(_given(sign()))
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "KEYS_UNAVAILABLE")
    server.status = 200
    await source.fetch()
    server.status = 500
    await source.fetch()
    assert await verifier.verify(_given(sign()))


async def test_a_removed_key_is_refused_also_for_a_token_that_was_verified() -> None:
    keys = Keys(jwks())
    verifier = _verifier(keys)
    given = _given(sign())
    identity = await verifier.verify(given)
    keys.set(jwks())
    assert verifier.recall(given) is identity
    keys.set(to_jwks(to_jwk(make_key("ES256", 1), kid="k1")))
    assert verifier.recall(given) is None
    await _refuse(given.bearer.text, "BAD_SIGNATURE", verifier)
    keys.set(to_jwks(to_jwk(make_key("ES256", 1), kid="k2")))
    await _refuse(given.bearer.text, "UNKNOWN_KEY", verifier)
    keys.set(to_jwks())
    await _refuse(given.bearer.text, "UNKNOWN_KEY", verifier)


@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "a.b.c",
        "..",
        "!!!.###.$$$",
        "a.b",
        "a.b.c.d.e",
        f"{encode_part({'alg': 'ES256'})}.a.b",
        "=" * 100,
    ],
)
async def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(CredentialError):
        await _verifier().verify(_given(token))


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"5", b"\xff", b"[" * 4000, b"{"],
    ids=["empty", "list", "number", "binary", "deep", "cut"],
)
async def test_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    await _refuse(_sign_raw(payload), "MALFORMED")


@pytest.mark.parametrize(
    "time_of_end",
    ["soon", [1], {}, float("inf"), float("nan"), "1" * 5000],
    ids=["text", "list", "object", "inf", "nan", "long"],
)
async def test_an_expiry_that_is_no_time_is_refused(time_of_end: Any) -> None:
    await _refuse(_sign_raw({"exp": time_of_end}), "MALFORMED")


@pytest.mark.parametrize("subject", ["", "a\nb", "a\0", "\ud800", "x" * 513, "a\u202eb"], ids=ascii)
async def test_a_subject_that_is_no_name_is_refused(subject: str) -> None:
    await _refuse(_sign_raw({"sub": subject}), "CLAIMS")


async def test_a_subject_that_is_no_text_is_refused() -> None:
    await _refuse(_sign_raw({"sub": 5}), "MALFORMED")
    await _refuse(_sign_raw({"sub": ["ann"]}), "MALFORMED")


@pytest.mark.parametrize("groups", [5, {}, [5], [""], ["a\nb"], "", ["a"] * 257], ids=str)
async def test_groups_that_are_no_texts_are_refused(groups: Any) -> None:
    await _refuse(_sign_raw({"groups": groups}), "CLAIMS")


async def test_the_claim_with_the_groups_is_configured() -> None:
    claims = make_claims(roles="builders", groups=["ignored"])
    identity = await _verify(sign(claims), groups_claim="roles")
    assert identity.groups == ("builders",)
    assert identity.claims["groups"] == '["ignored"]'
    assert "roles" not in identity.claims


async def test_claims_are_bounded_and_can_be_stored() -> None:
    odd = {"nul": "a\0", "half": "\ud800", "long": "x" * 2049, "half\ud800": "a", "deep": ["\ud800"]}
    identity = await _verifier().verify(_given(_sign_raw(odd | {"kept": "a\nb"})))
    assert set(identity.claims) == {"iss", "aud", "sub", "exp", "iat", "kept"}
    many = {str(number): number for number in range(60)}
    await _refuse(_sign_raw(many), "CLAIMS")


async def test_the_memory_of_verified_tokens_is_bounded() -> None:
    verifier = WebTokenVerifier(make_section(), Keys(jwks()), max_verified=20)
    for number in range(100):
        await verifier.verify(_given(sign(make_claims(jti=str(number)))))
    assert verifier.remembered == 20


async def test_a_jwt_is_a_jws_if_tokens_share_the_header() -> None:
    shared = WebTokenVerifier(make_section(), Keys(jwks()), shares_header=True)
    assert shared.is_present(_given(sign()))
    assert not shared.is_present(_given("abc"))
    assert _verifier().is_present(_given("abc"))
    assert not shared.is_present(PresentedCredentials("192.0.2.1", None, None))
