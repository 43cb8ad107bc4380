"""Callers that present tokens whose digests are in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.callers.credentials import PresentedCredentials
from gateway.callers.identity import CredentialError
from gateway.callers.token_file import MAX_VERIFIED, TokenVerifier
from gateway.faults import FaultsError
from tests.callers.making import sign

A, B = (hashlib.sha256(one).hexdigest() for one in (b"token-a", b"token-b"))
GOOD = f"tokens:\n  - {{name: ci, sha256: {A}, groups: [builders]}}\n  - {{name: cd, sha256: {B.upper()}}}\n"

DUPLICATES = GOOD + f"  - {{name: ci, sha256: {'a' * 64}}}\n  - {{name: other, sha256: {A.upper()}}}\n"


def _verifier(path: Path, text: str = GOOD, *, shares_header: bool = False) -> TokenVerifier:
    file = path / "tokens.yaml"
    file.write_text(text, encoding="utf-8")
    verifier = TokenVerifier(file, shares_header=shares_header)
    verifier.load()
    return verifier


def _given(token: str, address: str = "192.0.2.1") -> PresentedCredentials:
    return PresentedCredentials(address, None, f"Bearer {token}")


async def test_a_token_names_its_caller(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    ci = await verifier.verify(_given("token-a"))
    assert (ci.kind, ci.id, ci.groups, dict(ci.claims)) == ("token", "ci", ("builders",), {})
    assert (await verifier.verify(_given("token-b"))).groups == ()


@pytest.mark.parametrize("token", ["token-c", A, "TOKEN-A", "token-a\u200b".encode().hex()])
async def test_another_token_is_unknown(tmp_path: Path, token: str) -> None:
    verifier = _verifier(tmp_path)
    assert verifier.recall(_given(token)) is None
    with pytest.raises(CredentialError) as caught:
        await verifier.verify(_given(token))
    assert caught.value.problem == "UNKNOWN_TOKEN"


async def test_a_token_is_recalled_only_for_the_address_that_used_it(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    assert verifier.recall(_given("token-a")) is None
    identity = await verifier.verify(_given("token-a"))
    assert verifier.recall(_given("token-a")) is identity
    assert verifier.recall(_given("token-a", "192.0.2.2")) is None


async def test_a_removed_token_is_refused_also_if_it_was_used_before(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    await verifier.verify(_given("token-a"))
    (tmp_path / "tokens.yaml").write_text(f"tokens: [{{name: ci, sha256: {B}}}]")
    verifier.load()
    assert verifier.recall(_given("token-a")) is None
    with pytest.raises(CredentialError):
        await verifier.verify(_given("token-a"))
    assert (await verifier.verify(_given("token-b"))).id == "ci"


async def test_a_broken_file_keeps_the_last_good_tokens(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    (tmp_path / "tokens.yaml").write_text("tokens: [{name: ci}]")
    with pytest.raises(FaultsError):
        verifier.load()
    assert (await verifier.verify(_given("token-a"))).id == "ci"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["tokens.yaml: is not one mapping with the key `tokens`"]),
        ("[]", ["tokens.yaml: is not one mapping"]),
        ("{}", ["tokens.yaml:1:1: tokens: is required"]),
        ("a: [", ["tokens.yaml:2:1: not valid YAML"]),
        (
            f"tokens:\n- {{name: '', sha256: {A}}}\n- {{name: b, sha256: secret}}\n- {{name: c, sha: x}}\n",
            [
                "tokens.yaml:2:4: tokens[0].name: '': a name has 1 to 512 printable characters",
                "tokens.yaml:3:13: tokens[1].sha256: is not the SHA-256 of a token",
                ": tokens[2].sha256: is required",
                "tokens.yaml:4:13: tokens[2].sha: unknown key",
            ],
        ),
        (
            DUPLICATES,
            [
                "tokens.yaml:4:6: tokens[2].name: is the same as at ",
                "tokens.yaml:5:19: tokens[3].sha256: is the same as at ",
            ],
        ),
        (
            f"tokens: [{{name: a, sha256: {hashlib.sha256(b'').hexdigest()}}}]",
            ["tokens[0].sha256: is the SHA-256 of an empty text"],
        ),
        ("tokens: [secret-token]", ["1:1: tokens: is not a list of mappings"]),
        ("tokens: secret-token", ["tokens: is not a list of mappings with the keys name"]),
        (
            "tokens: []\nsecret-token-of-ci: {a: b}",
            ["tokens.yaml:2:1: …: unknown key"],
        ),
        ("secret-token-of-ci", ["tokens.yaml: is not one mapping with the key `tokens`"]),
        ("tokens: [{name: a, sha256: 123456}]", ["tokens[0].sha256: is not the SHA-256 of a token"]),
        (f"tokens: [{{name: a, sha256: {A}, groups: ['']}}]", ["tokens[0].groups[0]: '': a name has 1 to"]),
    ],
    ids=str,
)
def test_every_fault_is_reported_with_its_place(tmp_path: Path, text: str, faults: list[str]) -> None:
    with pytest.raises(FaultsError) as caught:
        _verifier(tmp_path, text)
    shown = [str(one) for one in caught.value.faults]
    assert len(shown) == len(faults)
    assert all(expected in one for expected, one in zip(faults, shown, strict=True)), shown
    assert not any(one in "".join(shown) for one in ("secret", "123456"))
    assert not any(one.position.source for one in caught.value.faults)


def test_a_file_that_cannot_be_read_is_a_fault_of_the_key(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        TokenVerifier(tmp_path / "none.yaml", shares_header=False).load()
    (fault,) = caught.value.faults
    assert (
        str(fault) == f"{tmp_path}/none.yaml: callers.tokens.file: cannot be read: No such file or directory"
    )


def test_a_jws_is_a_token_only_if_there_are_no_jwts(tmp_path: Path) -> None:
    alone, shared = _verifier(tmp_path), _verifier(tmp_path, shares_header=True)
    jws = _given(sign())
    assert (alone.is_present(jws), shared.is_present(jws)) == (True, False)
    assert alone.is_present(_given("a.b.c"))
    assert shared.is_present(_given("a.b.c"))
    assert not alone.is_present(PresentedCredentials("192.0.2.1", None, None))


async def test_the_memory_of_used_tokens_is_bounded(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    for number in range(MAX_VERIFIED + 10):
        await verifier.verify(_given("token-a", str(number)))
    assert verifier.remembered == MAX_VERIFIED
