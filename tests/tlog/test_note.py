from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tlog import NoteError, Signer, Verifier, open_note, sign_note
from gateway.tlog.note import MAX_SIGNATURES, decode_base64
from tests.tlog.keys import NAME, make_signer, private_key, private_pem, public_pem

# The example of https://c2sp.org/signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72I"
    "neyaQM=\n"
)
SIGNER = make_signer()
VERIFIER = SIGNER.verifier
NOTE = sign_note("a text\n", SIGNER)
LINE = NOTE.split("\n\n")[1]
SIGNATURE = LINE.split(" ")[2].removesuffix("\n")
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=[chr(one) for one in range(32)])


def test_the_example_of_the_specification() -> None:
    verifier = Verifier.parse(EXAMPLE_KEY)
    assert (verifier.name, verifier.key_hash.hex()) == ("example.com/foo", "530d903a")
    assert verifier.to_text() == EXAMPLE_KEY
    assert open_note(EXAMPLE, verifier) == "This is an example message.\n"
    with pytest.raises(NoteError, match="the note was altered"):
        open_note(EXAMPLE.replace("message", "massage"), verifier)


def test_a_note_has_its_text_an_empty_line_and_the_signature() -> None:
    text, line = NOTE.split("\n\n")
    assert text == "a text"
    assert line.startswith(f"\u2014 {NAME} ")
    assert line.endswith("\n")
    signature = base64.b64decode(SIGNATURE)
    assert signature[:4] == VERIFIER.key_hash
    private_key().public_key().verify(signature[4:], b"a text\n")


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.text(CHARACTERS, max_size=20), max_size=6))
def test_a_signed_text_is_read_back(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in ["first", *lines])
    assert open_note(sign_note(text, SIGNER), VERIFIER) == text


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_an_altered_note_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    character = data.draw(CHARACTERS | st.just("\n"))
    altered = f"{NOTE[:at]}{character}{NOTE[at + 1 :]}"
    if altered != NOTE:
        with pytest.raises(NoteError):
            open_note(altered, VERIFIER)


@pytest.mark.parametrize("end", range(len(NOTE)))
def test_a_cut_note_is_malformed(end: int) -> None:
    with pytest.raises(NoteError, match="the note is malformed"):
        open_note(NOTE[:end], VERIFIER)


MALFORMED = {
    "no empty line": ("a text\n", "no empty line separates the text"),
    "empty": ("", "no empty line separates the text"),
    "no text": (f"\n{LINE}", "no empty line separates the text"),
    "no signature": ("a text\n\n", "last signature line does not end in a newline"),
    "an empty signature line": (f"a text\n\n\n{LINE}\n", "last signature line does not end in a newline"),
    "no newline at the end": (NOTE[:-1], "last signature line does not end in a newline"),
    "carriage returns": (NOTE.replace("\n", "\r\n"), "control character"),
    "a tabulator": (NOTE.replace("a text", "a\ttext"), "control character"),
    "a null": (NOTE.replace("a text", "a\0text"), "control character"),
    "a surrogate": (NOTE.replace("a text", "a\udc80text"), "not valid UTF-8"),
    "a hyphen": (NOTE.replace("\u2014", "-"), "em dash"),
    "no space after the dash": (NOTE.replace("\u2014 ", "\u2014"), "em dash"),
    "no name": (f"a text\n\n\u2014  {SIGNATURE}\n", "em dash"),
    "a name with a plus": (f"a text\n\n\u2014 a+b {SIGNATURE}\n", "em dash"),
    "a name with a space": (f"a text\n\n\u2014 a\u00a0b {SIGNATURE}\n", "em dash"),
    "a text line": (f"{NOTE}a line\n", "em dash"),
    "no base64": (f"a text\n\n\u2014 {NAME}\n", "no signature in base64"),
    "not base64": (f"a text\n\n\u2014 {NAME} ****\n", "no signature in base64"),
    "base64url": (f"a text\n\n\u2014 {NAME} {'_' * 88}\n", "no signature in base64"),
    "base64 without padding": (NOTE.replace("=", ""), "no signature in base64"),
    "base64 and more": (NOTE[:-1] + " \n", "no signature in base64"),
    "only a key hash": (f"a text\n\n\u2014 {NAME} AAAAAA==\n", "no signature in base64"),
    "too many": (f"a text\n\n{LINE * (MAX_SIGNATURES + 1)}", "more than 100 signatures"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_note_is_refused(name: str) -> None:
    note, reason = MALFORMED[name]
    with pytest.raises(NoteError, match="the note is malformed: ") as caught:
        open_note(note, VERIFIER)
    assert reason in str(caught.value)


def test_many_signatures_are_taken() -> None:
    assert open_note(f"a text\n\n{LINE * MAX_SIGNATURES}", VERIFIER) == "a text\n"


def test_signatures_by_other_keys_are_ignored() -> None:
    same_name = sign_note("a text\n", make_signer(seed="other")).split("\n\n")[1]
    other = base64.b64encode(VERIFIER.key_hash + b"x").decode()
    note = f"a text\n\n{same_name}\u2014 another.example {other}\n{LINE}\u2014 third.example AAAAAAA=\n"
    assert open_note(note, VERIFIER) == "a text\n"


@pytest.mark.parametrize(
    "signer", [make_signer(seed="other"), make_signer("other.example")], ids=["another key", "another name"]
)
def test_a_note_without_a_signature_by_the_key_is_refused(signer: Signer) -> None:
    with pytest.raises(NoteError) as caught:
        open_note(sign_note("a text\n", signer), VERIFIER)
    assert str(caught.value) == f"the note has no signature by the key {NAME}+{VERIFIER.key_hash.hex()}"


@pytest.mark.parametrize("signature", [bytes(64), b"short"])
def test_a_wrong_signature_beside_a_right_one_is_refused(signature: bytes) -> None:
    wrong = base64.b64encode(VERIFIER.key_hash + signature).decode()
    with pytest.raises(NoteError, match="is wrong: the note was altered"):
        open_note(f"{NOTE}\u2014 {NAME} {wrong}\n", VERIFIER)


def test_the_text_may_contain_empty_lines_and_signature_lines() -> None:
    for text in ("a\n\nb\n", NOTE, "\n", "\n\n\n", "\u2014 a b\n"):
        assert open_note(sign_note(text, SIGNER), VERIFIER) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not end in a newline"),
        ("a text", "does not end in a newline"),
        ("a\ttext\n", "control character"),
        ("a text\r\n", "control character"),
        ("a\ud800text\n", "not valid UTF-8"),
    ],
)
def test_a_text_that_no_note_can_have_is_not_signed(text: str, reason: str) -> None:
    with pytest.raises(NoteError, match=reason):
        sign_note(text, SIGNER)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u3000b", "a\x00b", "a\ud800b", "a\x85"])
def test_a_key_name_is_checked(name: str) -> None:
    with pytest.raises(ValueError, match="is not a key name"):
        make_signer(name)
    with pytest.raises(ValueError, match="is not a key name"):
        Verifier.load(public_pem(), name)


def test_a_verifier_is_that_of_the_key_pair() -> None:
    assert Verifier.load(public_pem(), NAME) == VERIFIER == Verifier.parse(VERIFIER.to_text())
    assert Verifier.load(public_pem("other"), NAME) != VERIFIER


def test_no_private_key_is_shown() -> None:
    assert repr(SIGNER) == f"Signer(name='{NAME}', key_hash={VERIFIER.key_hash.hex()})"
    assert not hasattr(SIGNER, "__dict__")


TEXT = VERIFIER.to_text()
HASH, ENCODED = TEXT.split("+", 2)[1:]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write name.hash.key"),
        (NAME, "write name.hash.key"),
        (f"{NAME}+{HASH.upper()}f+{ENCODED}", "write name.hash.key"),
        (f"{NAME}+{HASH}", "not an Ed25519 key"),
        (f"{NAME}+{HASH}+{ENCODED}=", "the key is not base64"),
        (f"{NAME}+{HASH}+{base64.b64encode(bytes(33)).decode()}", "not an Ed25519 key"),
        (f"{NAME}+{HASH}+{base64.b64encode(bytes([1] * 32)).decode()}", "has 32 bytes, not 31"),
        (f"{NAME}+{HASH}+{base64.b64encode(bytes([1] * 33)).decode()}", "a hash that does not match"),
        (f"x{NAME}+{HASH}+{ENCODED}", "a hash that does not match"),
        (f"+{HASH}+{ENCODED}", "is not a key name"),
        (f"a b+{HASH}+{ENCODED}", "is not a key name"),
        (f"{TEXT}\n", "the key is not base64"),
    ],
)
def test_a_malformed_verifier_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Verifier.parse(text)


def test_other_keys_are_refused() -> None:
    curve = generate_private_key(SECP256R1())
    private = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    locked = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a"))
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        Signer.load(private, NAME)
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        Verifier.load(public, NAME)
    for pem in (locked, public_pem(), b"", b"text"):
        with pytest.raises(ValueError, match="no private key in PEM form without a password"):
            Signer.load(pem, NAME)
    for pem in (private_pem(), b"", b"text"):
        with pytest.raises(ValueError, match="no public key in PEM form"):
            Verifier.load(pem, NAME)


@pytest.mark.parametrize(
    ("text", "data"), [("", b""), ("YQ==", b"a"), ("YR==", None), ("YQ", None), ("YQ==\n", None), ("é", None)]
)
def test_base64_has_one_form(text: str, data: bytes | None) -> None:
    assert decode_base64(text) == data


def test_cryptography_is_imported_lazily() -> None:
    code = "import sys, gateway.tlog; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
