"""Callers that present JSON web tokens."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.callers.credentials import PresentedCredentials
from gateway.callers.identity import CredentialError
from gateway.callers.web_tokens import WebTokenVerifier
from tests.callers.making import (
    encode_part,
    jwks,
    make_claims,
    make_key,
    make_section,
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
    sign_raw,
    verify,
)


async def test_a_good_token_names_its_caller() -> None:
    claims = make_claims(
        groups=["builders", "admins"], team="infra", level=3, is_human=True, nested={"a": [1]}
    )
    identity = await verify(sign(claims))
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
    keys = FixedKeys(to_jwks(to_jwk(key, kid="k1", alg=algorithm)))
    verifier = make_verifier(keys, algorithms=[algorithm])
    assert (await verifier.verify(present(sign(key=key, algorithm=algorithm)))).id == "ann"


async def test_a_verified_token_is_recalled_until_it_expires() -> None:
    started = now()
    times = [float(started)]
    verifier = WebTokenVerifier(make_section(clock_skew_s=5), FixedKeys(jwks()), now=lambda: times[0])
    given = present(sign(make_claims(exp=started + 60)))
    assert verifier.recall(given) is None
    identity = await verifier.verify(given)
    times[0] = started + 64.9
    assert verifier.recall(present(given.bearer.text)) is identity
    times[0] = started + 65
    assert verifier.recall(given) is None
    assert verifier.remembered == 0


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
        await make_verifier().verify(present(token))


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"5", b"\xff", b"[" * 4000, b"{"],
    ids=["empty", "list", "number", "binary", "deep", "cut"],
)
async def test_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    await check_refused(sign_raw(payload), "MALFORMED")


@pytest.mark.parametrize(
    "time_of_end",
    ["soon", [1], {}, float("inf"), float("nan"), "1" * 5000],
    ids=["text", "list", "object", "inf", "nan", "long"],
)
async def test_an_expiry_that_is_no_time_is_refused(time_of_end: Any) -> None:
    await check_refused(sign_raw({"exp": time_of_end}), "MALFORMED")


@pytest.mark.parametrize("subject", ["", "a\nb", "a\0", "\ud800", "x" * 513, "a\u202eb"], ids=ascii)
async def test_a_subject_that_is_no_name_is_refused(subject: str) -> None:
    await check_refused(sign_raw({"sub": subject}), "CLAIMS")


async def test_a_subject_that_is_no_text_is_refused() -> None:
    await check_refused(sign_raw({"sub": 5}), "MALFORMED")
    await check_refused(sign_raw({"sub": ["ann"]}), "MALFORMED")


@pytest.mark.parametrize("groups", [5, {}, [5], [""], ["a\nb"], "", ["a"] * 257], ids=str)
async def test_groups_that_are_no_texts_are_refused(groups: Any) -> None:
    await check_refused(sign_raw({"groups": groups}), "CLAIMS")


async def test_the_claim_with_the_groups_is_configured() -> None:
    claims = make_claims(roles="builders", groups=["ignored"])
    identity = await verify(sign(claims), groups_claim="roles")
    assert identity.groups == ("builders",)
    assert identity.claims["groups"] == '["ignored"]'
    assert "roles" not in identity.claims


async def test_claims_are_bounded_and_can_be_stored() -> None:
    odd = {"nul": "a\0", "half": "\ud800", "long": "x" * 2049, "half\ud800": "a", "deep": ["\ud800"]}
    identity = await make_verifier().verify(present(sign_raw(odd | {"kept": "a\nb"})))
    assert set(identity.claims) == {"iss", "aud", "sub", "exp", "iat", "kept"}
    many = {str(number): number for number in range(60)}
    await check_refused(sign_raw(many), "CLAIMS")


async def test_the_memory_of_verified_tokens_is_bounded() -> None:
    verifier = WebTokenVerifier(make_section(), FixedKeys(jwks()), max_verified=20)
    for number in range(100):
        await verifier.verify(present(sign(make_claims(jti=str(number)))))
    assert verifier.remembered == 20


async def test_a_jwt_is_a_jws_if_tokens_share_the_header() -> None:
    shared = WebTokenVerifier(make_section(), FixedKeys(jwks()), shares_header=True)
    assert shared.is_present(present(sign()))
    assert not shared.is_present(present("abc"))
    assert make_verifier().is_present(present("abc"))
    assert not shared.is_present(PresentedCredentials("192.0.2.1", None, None))
