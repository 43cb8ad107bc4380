"""Identifies callers by tokens, whose SHA-256 digests are in a file.

A token has 256 random bits. So a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from gateway.callers.bounded_cache import BoundedCache
from gateway.callers.identity import CallerIdentity, CredentialError, is_name
from gateway.config.section import Section
from gateway.documents import load_documents
from gateway.faults import Fault, FaultsError, Position, SecretValueError, key_of, validation_faults
from gateway.redaction import REDACTED

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.callers.credentials import PresentedCredentials
    from gateway.documents import Document

MAX_VERIFIED = 10_000
"""The maximum number of pairs of an address and a token that are remembered."""

_KEY = "callers.tokens.file"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_LONG_KEY = re.compile(r"[^.\[\]]{17,}")
_EMPTY = hashlib.sha256(b"").hexdigest()


def _check_name(text: str) -> str:
    if not is_name(text):
        raise ValueError("a name has 1 to 512 printable characters")
    return text


def _check_digest(text: Any) -> str:
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):  # it may be the token itself
        raise SecretValueError("is not the SHA-256 of a token, which has 64 hexadecimal digits")
    if text.lower() == _EMPTY:
        raise SecretValueError("is the SHA-256 of an empty text")
    return text.lower()


def _check_entries(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise SecretValueError("is not a list of mappings with the keys name, sha256 and groups")
    return value


Name = Annotated[str, AfterValidator(_check_name)]


class TokenEntry(Section):
    """One token in the file."""

    name: Name
    sha256: Annotated[str, BeforeValidator(_check_digest)] = Field(repr=False)
    groups: tuple[Name, ...] = ()


class TokenList(Section):
    """The content of the file."""

    tokens: Annotated[tuple[TokenEntry, ...], BeforeValidator(_check_entries)]


class TokenVerifier:
    """Identifies callers by their tokens."""

    kind = "token"

    def __init__(self, path: Path, *, shares_header: bool) -> None:
        """Initialize the verifier without tokens.

        Args:
            path: the path of the file.
            shares_header: whether JWTs are sent in the same header.
        """
        self._path = path
        self._shares_header = shares_header
        self._identities: dict[bytes, tuple[bytes, CallerIdentity]] = {}
        self._verified: BoundedCache[tuple[str, bytes], bool] = BoundedCache(MAX_VERIFIED)

    @property
    def remembered(self) -> int:
        """The number of remembered pairs of an address and a token."""
        return len(self._verified)

    def load(self) -> None:
        """Load the file. If it has faults, the tokens stay as they are.

        Raises:
            FaultsError: the file cannot be read, or has faults. The error contains all of them.
        """
        self._identities = {
            digest: (digest, identity) for digest, identity in read_identities(self._path).items()
        }

    def is_present(self, given: PresentedCredentials) -> bool:
        """Return whether the header contains a token. If JWTs share the header, a JWS is a JWT."""
        return given.header is not None and not (self._shares_header and given.bearer.jws_header is not None)

    def recall(self, given: PresentedCredentials) -> CallerIdentity | None:
        """Return the identity of a token that the same address has used before; otherwise None.

        The token of another address is not recalled, because an address that has reached the limit of failed
        attempts could otherwise go on guessing.
        """
        digest = given.bearer.digest
        return self._find(digest) if self._verified.get((given.address, digest)) else None

    async def verify(self, given: PresentedCredentials) -> CallerIdentity:
        """Return the identity of a token.

        Raises:
            CredentialError: the token is unknown.
        """
        digest = given.bearer.digest
        identity = self._find(digest)
        if identity is None:
            raise CredentialError("UNKNOWN_TOKEN", "is unknown")
        self._verified.put((given.address, digest), True)  # noqa: FBT003 - the value has no meaning
        return identity

    def _find(self, digest: bytes) -> CallerIdentity | None:
        # The hash of a key in a dict depends on a secret of the process. So the time of the lookup shows
        # nothing about the digests, and the last comparison takes constant time.
        known = self._identities.get(digest)
        return known[1] if known is not None and hmac.compare_digest(known[0], digest) else None


def read_identities(path: Path) -> dict[bytes, CallerIdentity]:
    """Return the identities in a file, by the SHA-256 of their tokens.

    Raises:
        FaultsError: the file cannot be read, or has faults. The error contains all of them.
    """
    document = _read_document(path)
    try:
        entries = TokenList.model_validate(document.value).tokens
    except ValidationError as error:
        faults = validation_faults(error, TokenList, document.position)
        raise _without_lines(faults) from None
    faults = [*_find_duplicates(document, entries, "name"), *_find_duplicates(document, entries, "sha256")]
    if faults:
        raise _without_lines(faults)
    return {
        bytes.fromhex(entry.sha256): CallerIdentity(
            kind=TokenVerifier.kind, id=entry.name, groups=entry.groups
        )
        for entry in entries
    }


def _read_document(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise FaultsError([Fault(Position(str(path)), _KEY, f"cannot be read: {reason}")]) from error
    try:
        documents = [one for one in load_documents(text, str(path)) if one.value is not None]
    except FaultsError as error:
        raise _without_lines(list(error.faults)) from None
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise FaultsError([Fault(Position(str(path)), "", "is not one mapping with the key `tokens`")])
    return documents[0]


def _find_duplicates(document: Document, entries: tuple[TokenEntry, ...], key: str) -> list[Fault]:
    faults, first = [], dict[str, int]()
    for index, entry in enumerate(entries):
        before = first.setdefault(getattr(entry, key), index)
        if before != index:
            path = ("tokens", index, key)
            where = document.position(("tokens", before, key))
            faults.append(Fault(document.position(path), key_of(path), f"is the same as at {where}"))
    return faults


def _without_lines(faults: list[Fault]) -> FaultsError:
    """Return the error for faults. It shows no line of the file and no long key: they may contain a token."""
    return FaultsError(
        [
            replace(one, position=replace(one.position, source=""), key=_LONG_KEY.sub(REDACTED, one.key))
            for one in faults
        ]
    )
