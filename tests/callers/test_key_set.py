"""Key sets: which keys are used, and for which algorithms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.key_set import MAX_BYTES, MAX_KEYS, KeySet, parse_key_set
from tests.callers.making import encode_part, make_key, to_jwk, to_jwks

ALL = ("RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA")


def _parse(*keys: dict[str, Any], algorithms: tuple[str, ...] = ALL) -> KeySet:
    return parse_key_set(to_jwks(*keys), algorithms)


@pytest.mark.parametrize(
    ("kind", "members", "algorithms"),
    [
        ("ES256", {}, {"ES256"}),
        ("ES384", {}, {"ES384"}),
        ("EdDSA", {}, {"EdDSA"}),
        ("EdDSA", {"alg": "Ed25519"}, {"EdDSA"}),
        ("RS256", {}, {"RS256", "RS384", "PS256"}),
        ("RS256", {"alg": "RS256"}, {"RS256"}),
        ("PS256", {"alg": "PS256", "use": "sig", "key_ops": ["verify"], "x5c": ["a"]}, {"PS256"}),
    ],
)
def test_the_algorithms_of_a_key(kind: str, members: dict[str, Any], algorithms: set[str]) -> None:
    keys = _parse(to_jwk(make_key(kind), kid="k", **members))
    assert keys.ignored == ()
    key = keys.find("k")
    assert key is not None
    assert key.algorithms == algorithms
    assert keys.fingerprints == {key.fingerprint}


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"kty": "oct", "k": encode_part(b"x" * 64)}, "a symmetric key"),
    ({"kty": "oct", "k": "", "alg": "HS256"}, "a symmetric key"),
    (to_jwk(make_key("RS1024")), "its size is not between 2048 and 8192 bits"),
    (to_jwk(make_key("RS256"), alg="HS256"), "its algorithm does not fit its type"),
    (to_jwk(make_key("RS256"), alg="none"), "its algorithm does not fit its type"),
    (to_jwk(make_key("RS256"), alg=""), "its algorithm does not fit its type"),
    (to_jwk(make_key("RS256"), alg=["RS256"]), "its algorithm does not fit its type"),
    (to_jwk(make_key("RS256"), alg="RS512"), "its algorithm is not in callers.jwt.algorithms"),
    (to_jwk(make_key("ES256"), alg="RS256"), "its algorithm does not fit its type"),
    (to_jwk(make_key("ES256"), crv="P-384"), "malformed"),
    (to_jwk(make_key("ES256"), crv="secp256k1"), "its type or curve is not supported"),
    (to_jwk(make_key("ES256"), x="AAAA"), "malformed"),
    (to_jwk(make_key("ES256"), y=encode_part(b"\1" * 32)), "malformed"),
    (to_jwk(make_key("ES256"), x=5), "a part of the key is missing"),
    (to_jwk(make_key("ES256"), use="enc"), "not a key for signatures"),
    (to_jwk(make_key("ES256"), key_ops=["sign"]), "not a key for signatures"),
    (to_jwk(make_key("ES256"), key_ops=5), "not a key for signatures"),
    (to_jwk(make_key("ES256"), d="AAAA"), "a private key"),
    (to_jwk(make_key("ES256"), kid=5), "its ID is not a short text"),
    (to_jwk(make_key("ES256"), kid="k" * 300), "its ID is not a short text"),
    ({"kty": "RSA", "n": "!", "e": "AQAB"}, "malformed"),
    ({"kty": "RSA", "n": "", "e": ""}, "malformed"),
    ({"kty": "RSA"}, "a part of the key is missing"),
    ({"kty": ["RSA"]}, "its type or curve is not supported"),
    ({}, "its type or curve is not supported"),
]


@pytest.mark.parametrize(("key", "reason"), UNUSABLE, ids=[str(number) for number in range(len(UNUSABLE))])
def test_a_key_that_cannot_be_used_is_ignored_with_a_reason(key: dict[str, Any], reason: str) -> None:
    good = to_jwk(make_key("ES384"), kid="good")
    keys = _parse(key, good)
    assert len(keys) == 1
    assert keys.find("good") is not None
    (ignored,) = keys.ignored
    assert reason in ignored


def test_a_second_key_with_the_same_id_is_ignored() -> None:
    first, second = (to_jwk(make_key("ES256", number), kid="k") for number in range(2))
    keys = _parse(first, second)
    assert keys.fingerprints == _parse(first).fingerprints
    assert keys.ignored == ('key "k": another key has the same ID',)


def test_a_token_without_a_key_id_gets_the_only_key() -> None:
    one, other = to_jwk(make_key("ES256")), to_jwk(make_key("ES384"), kid="k")
    assert _parse(one).find(None) is not None
    assert _parse(other).find(None) is not None
    assert _parse(one, other).find(None) is None
    assert _parse(one).find("") is None
    assert _parse(one).find("other") is None
    assert _parse().find(None) is None


def test_a_fingerprint_is_of_all_that_decides() -> None:
    key = make_key("RS256")
    variants = [{"kid": "a"}, {"kid": "b"}, {"kid": "a", "alg": "RS256"}, {"kid": "a", "alg": "PS256"}]
    assert len({next(iter(_parse(to_jwk(key, **one)).fingerprints)) for one in variants}) == 4
    same = _parse(to_jwk(key, kid="a", x5t="z")).fingerprints
    assert same == _parse(to_jwk(key, kid="a")).fingerprints


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON Web Key Set"),
        (b"{}", "not a JSON Web Key Set"),
        (b'{"keys": {}}', "not a JSON Web Key Set"),
        (json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(), "more than 100 keys"),
        (b" " * (MAX_BYTES + 1), "larger than 262144 bytes"),
    ],
    ids=["empty", "cut", "binary", "deep", "list", "no keys", "keys of another type", "many", "huge"],
)
def test_what_is_no_key_set(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_key_set(data, ALL)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3),
    max_leaves=4,
)
_MEMBERS = st.sampled_from(["kty", "crv", "alg", "use", "kid", "n", "e", "x", "y", "d", "key_ops", "k"])
_VALUES = st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "RS256", "sig", "AQAB", ""]) | _JSON


@given(st.lists(st.dictionaries(_MEMBERS, _VALUES) | _JSON, max_size=4))
def test_any_keys_are_used_or_ignored(keys: list[Any]) -> None:
    found = parse_key_set(json.dumps({"keys": keys}).encode(), ALL)
    assert len(found) + len(found.ignored) == len(keys)
