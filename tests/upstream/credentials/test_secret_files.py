"""Files with secrets: their faults name the file and the key, and show nothing of the content."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.faults import FaultsError
from gateway.upstream.credentials.secret_files import fault_of, read_secret, read_token

CANARY = "canary-canary"


def test_a_token_is_read_without_the_space_around_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" t1.abc\n")
    assert read_token(path, "credentials.path") == "t1.abc"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "does not contain one token"),
        (f"Bearer {CANARY}".encode(), "does not contain one token"),
        (f"{CANARY}\n{CANARY}".encode(), "does not contain one token"),
        (f"{CANARY}\xff".encode("latin-1"), "is not UTF-8 text"),
        (CANARY.encode() * 6000, "is larger than 65536 bytes"),
    ],
    ids=["missing", "empty", "scheme", "two lines", "not text", "large"],
)
def test_a_fault_names_file_and_key(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FaultsError) as caught:
        read_token(path, "credentials.path")
    (fault,) = caught.value.faults
    assert (fault.position.file, fault.key) == (str(path), "credentials.path")
    assert message in fault.message
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="cannot be read"):
        read_secret(tmp_path, "credentials.file")


def test_a_fault_is_an_error_with_one_fault(tmp_path: Path) -> None:
    assert str(fault_of(tmp_path, "a.b", "is bad")) == f"{tmp_path}: a.b: is bad"
