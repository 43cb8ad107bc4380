"""The public keys of an issuer: a JSON Web Key Set (https://www.rfc-editor.org/rfc/rfc7517)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from gateway.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_BYTES = 256 * 1024
"""The maximum size of a key set, in bytes."""

MAX_KEYS = 100
"""The maximum number of keys in a key set."""

_MAX_KEY_ID = 256
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192  # the time of a verification grows with the size of the key
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
# The algorithms of each type of key and curve, and the members that make the public key.
_TYPES: dict[tuple[str, str], tuple[frozenset[str], tuple[str, ...]]] = {
    ("RSA", ""): (_RSA, ("kty", "n", "e")),
    ("EC", "P-256"): (frozenset({"ES256"}), ("kty", "crv", "x", "y")),
    ("EC", "P-384"): (frozenset({"ES384"}), ("kty", "crv", "x", "y")),
    ("EC", "P-521"): (frozenset({"ES512"}), ("kty", "crv", "x", "y")),
    ("OKP", "Ed25519"): (frozenset({"EdDSA"}), ("kty", "crv", "x")),
}
_ALIASES = {"Ed25519": "EdDSA"}  # https://www.rfc-editor.org/rfc/rfc9864


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key.

    Attributes:
        id: the key ID; empty if the key has none.
        public: the key object of the library.
        algorithms: the algorithms for which the key is used.
        fingerprint: the hash of all these facts.
    """

    id: str
    public: Any
    algorithms: frozenset[str]
    fingerprint: bytes


class KeySet:
    """The keys of an issuer. A key set is immutable.

    Attributes:
        fingerprints: the fingerprints of all keys.
        ignored: the reasons why keys are not used.
    """

    def __init__(self, keys: Iterable[Key], ignored: Iterable[str] = ()) -> None:
        self._keys = {key.id: key for key in keys}
        self.fingerprints = frozenset(key.fingerprint for key in self._keys.values())
        self.ignored = tuple(ignored)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._keys)

    def find(self, key_id: str | None) -> Key | None:
        """Return the key with an ID. Without an ID, return the only key; None if there are several."""
        if key_id is not None:
            return self._keys.get(key_id) if key_id else None
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None


def parse_key_set(data: bytes, algorithms: Iterable[str]) -> KeySet:
    """Parse a key set. Keys that cannot be used are ignored.

    Args:
        data: the key set as JSON.
        algorithms: the names of the accepted algorithms.

    Raises:
        ValueError: the data is not a key set, or too large.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a JSON Web Key Set: an object with the list `keys`")  # noqa: TRY004 - of JSON
    if len(keys) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys")
    accepted, found, ignored = frozenset(algorithms), dict[str, Key](), list[str]()
    for index, one in enumerate(keys):
        try:
            key = _parse_key(one, accepted)
        except ValueError as error:
            ignored.append(f"{_name_of(one, index)}: {error}")
        else:
            if found.setdefault(key.id, key) is not key:
                ignored.append(f"{_name_of(one, index)}: another key has the same ID")
    return KeySet(found.values(), ignored)


def _name_of(key: Any, index: int) -> str:
    key_id = key.get("kid") if isinstance(key, dict) else None
    return f"key {quote(key_id)}" if isinstance(key_id, str) else f"key at index {index}"


def _parse_key(key: Any, accepted: frozenset[str]) -> Key:
    if not isinstance(key, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of JSON
    key_id = key.get("kid", "")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID:
        raise ValueError("its ID is not a short text")
    _check_use(key)
    algorithms, members = _find_type(key)
    if "alg" in key:
        name = key["alg"] if isinstance(key["alg"], str) else ""
        algorithms &= {_ALIASES.get(name, name)}
        if not algorithms:
            raise ValueError("its algorithm does not fit its type")
    if not algorithms & accepted:
        raise ValueError("its algorithm is not in callers.jwt.algorithms")
    public = {name: key.get(name) for name in members}
    if not all(isinstance(value, str) for value in public.values()):
        raise ValueError("a part of the key is missing")
    algorithms &= accepted
    facts = json.dumps([key_id, sorted(algorithms), public], sort_keys=True)
    return Key(
        id=key_id,
        public=_load(public, next(iter(algorithms))),
        algorithms=algorithms,
        fingerprint=hashlib.sha256(facts.encode()).digest(),
    )


def _check_use(key: Mapping[str, Any]) -> None:
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("not a key for signatures")
    if "d" in key:
        raise ValueError("a private key, which an issuer must not publish")


def _find_type(key: Mapping[str, Any]) -> tuple[frozenset[str], tuple[str, ...]]:
    kind, curve = key.get("kty"), key.get("crv", "")
    if kind == "oct":
        raise ValueError("a symmetric key, which everyone who verifies tokens could use to make them")
    if isinstance(kind, str) and isinstance(curve, str) and (found := _TYPES.get((kind, curve))):
        return found
    raise ValueError("its type or curve is not supported")


def _load(public: dict[str, Any], algorithm: str) -> Any:
    try:
        loaded = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ValueError("malformed") from None
    if public["kty"] == "RSA" and not _MIN_RSA_BITS <= loaded.key_size <= _MAX_RSA_BITS:
        raise ValueError(f"its size is not between {_MIN_RSA_BITS} and {_MAX_RSA_BITS} bits")
    return loaded
