"""Signed notes (https://c2sp.org/signed-note): a text, an empty line, and one line for each signature.

The signatures are Ed25519 signatures (https://www.rfc-editor.org/rfc/rfc8032). Each signature line contains
the name and the hash of a key, so that a verifier finds the signature of the key that it knows.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_SIGNATURES = 100
"""The largest number of signatures in a note."""

_ED25519 = b"\x01"
_KEY_SIZE = 32
_KEY_HASH_SIZE = 4
_PREFIX = "\u2014 "  # an em dash
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NOT_IN_NAMES = re.compile(r"[\s+\x00-\x1f]")
_KEY_HASH = re.compile("[0-9a-f]{8}")


class NoteError(ValueError):
    """A note is malformed, or is not signed by the expected key. The error message describes which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A public key and its name. It verifies the signatures of notes.

    Attributes:
        name: the name of the key.
        public_key: the 32 bytes of the Ed25519 public key.

    Raises:
        ValueError: on construction, if the name is not a key name, or the key does not have 32 bytes.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_key_name(self.name):
            raise ValueError(
                f"{self.name!r} is not a key name: it is empty, or has a space, '+' or a control"
            )
        if len(self.public_key) != _KEY_SIZE:
            raise ValueError(f"an Ed25519 public key has {_KEY_SIZE} bytes, not {len(self.public_key)}")

    @classmethod
    def load(cls, pem: bytes, name: str) -> Verifier:
        """Return the verifier of a public key.

        Args:
            pem: the Ed25519 public key in PEM form (SubjectPublicKeyInfo).
            name: the name of the key.

        Raises:
            ValueError: the PEM text contains no Ed25519 public key, or the name is not a key name.
        """
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 9 MB of memory
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("no public key in PEM form") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the content of a file is wrong
        return cls(name=name, public_key=key.public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Parse a verifier key: the name, the key hash and the public key, separated by '+'.

        Raises:
            ValueError: the text is not the verifier key of an Ed25519 key.
        """
        name, _, rest = text.partition("+")
        key_hash, _, encoded = rest.partition("+")
        if not _KEY_HASH.fullmatch(key_hash):
            raise ValueError(
                "the verifier key is malformed: write name+hash+key, with 8 lower-case hex digits"
            )
        data = decode_base64(encoded)
        if data is None:
            raise ValueError("the verifier key is malformed: the key is not base64")
        if data[:1] != _ED25519:
            raise ValueError("the verifier key is not an Ed25519 key")
        verifier = cls(name=name, public_key=data[1:])
        if verifier.key_hash.hex() != key_hash:
            raise ValueError("the verifier key has a hash that does not match its name and its key")
        return verifier

    @property
    def key_hash(self) -> bytes:
        """The four bytes that signature lines contain to name the key."""
        data = b"\n".join((self.name.encode(), _ED25519 + self.public_key))
        return sha256(data).digest()[:_KEY_HASH_SIZE]

    def to_text(self) -> str:
        """Return the verifier key: the name, the key hash and the public key, separated by '+'."""
        return f"{self.name}+{self.key_hash.hex()}+{_encode_base64(_ED25519 + self.public_key)}"

    def is_signature(self, signature: bytes, data: bytes) -> bool:
        """Return whether `signature` is the signature of `data` by this key."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 9 MB of memory
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key and its name. It signs notes.

    Attributes:
        verifier: the public key of the same key pair, with the same name.
    """

    __slots__ = ("_key", "verifier")

    def __init__(self, key: Ed25519PrivateKey, name: str) -> None:
        """Take a private key.

        Raises:
            ValueError: the name is not a key name.
        """
        self._key = key
        self.verifier = Verifier(name=name, public_key=key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer(name={self.verifier.name!r}, key_hash={self.verifier.key_hash.hex()})"

    @classmethod
    def load(cls, pem: bytes, name: str) -> Signer:
        """Return the signer of a private key.

        Args:
            pem: the Ed25519 private key in PEM form (PKCS#8), without a password.
            name: the name of the key.

        Raises:
            ValueError: the PEM text contains no such private key, or the name is not a key name.
        """
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 9 MB of memory
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("no private key in PEM form without a password") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the content of a file is wrong
        return cls(key, name)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`, which has 64 bytes."""
        return self._key.sign(data)


def sign_note(text: str, signer: Signer) -> str:
    """Return the signed note: the text, an empty line and the signature line.

    Args:
        text: the text of the note, which ends in a newline.
        signer: the key that signs.

    Raises:
        NoteError: the text does not end in a newline, has another control character, or is not valid UTF-8.
    """
    data = _encode(text)
    if not text.endswith("\n"):
        raise NoteError("the note is malformed: its text does not end in a newline")
    verifier = signer.verifier
    signature = _encode_base64(verifier.key_hash + signer.sign(data))
    return f"{text}\n{_PREFIX}{verifier.name} {signature}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """Verify the signature of a note, and return the text of the note.

    Signatures by other keys are ignored.

    Raises:
        NoteError: the note is malformed, has no signature by the key of the verifier, or has a wrong one.
    """
    _encode(note)
    body, separator, lines = note.rpartition("\n\n")
    if not separator:
        raise NoteError("the note is malformed: no empty line separates the text from the signatures")
    text, key_hash = f"{body}\n", verifier.key_hash
    signatures = [
        signature[_KEY_HASH_SIZE:]
        for name, signature in _parse_signatures(lines)
        if name == verifier.name and signature.startswith(key_hash)
    ]
    key = f"{verifier.name}+{key_hash.hex()}"
    if not signatures:
        raise NoteError(f"the note has no signature by the key {key}")
    if not all(verifier.is_signature(signature, text.encode()) for signature in signatures):
        raise NoteError(f"the signature by the key {key} is wrong: the note was altered")
    return text


def decode_base64(text: str) -> bytes | None:
    """Return the bytes of a base64 text; None if the text is not the only base64 text of these bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is a ValueError
        return None
    return data if _encode_base64(data) == text else None


def _parse_signatures(lines: str) -> list[tuple[str, bytes]]:
    """Return the key name of each signature line, and its signature, which starts with the key hash."""
    if not lines.endswith("\n"):
        raise NoteError("the note is malformed: its last signature line does not end in a newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise NoteError(f"the note is malformed: it has more than {MAX_SIGNATURES} signatures")
    return [_parse_signature(line) for line in lines[:-1].split("\n")]


def _parse_signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not _is_key_name(name):
        raise NoteError(
            "the note is malformed: a signature line does not start with an em dash and a key name"
        )
    signature = decode_base64(encoded)
    if signature is None or len(signature) <= _KEY_HASH_SIZE:
        raise NoteError("the note is malformed: a signature line has no signature in base64")
    return name, signature


def _encode(text: str) -> bytes:
    """Return the UTF-8 bytes of a note or its text, after a check of the characters."""
    if _CONTROL.search(text):
        raise NoteError("the note is malformed: it has a control character other than a newline")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NoteError("the note is malformed: it is not valid UTF-8") from error


def _is_key_name(name: str) -> bool:
    if not name or _NOT_IN_NAMES.search(name):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
