"""Reads files that hold secrets. Faults show the file and the key, never the content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 64 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]{1,6144}")


def read_secret(path: Path, key: str) -> str:
    """Return the text of a file.

    Args:
        path: the path of the file.
        key: the configuration key that contains the path.

    Raises:
        FaultsError: the file cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise fault_of(path, key, f"cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise fault_of(path, key, f"is larger than {_MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise fault_of(path, key, "is not UTF-8 text") from None  # the error would show the content


def read_token(path: Path, key: str) -> str:
    """Return the token in a file. Space around it is removed.

    Raises:
        FaultsError: the file cannot be read, or does not hold exactly one token.
    """
    text = read_secret(path, key).strip()
    if not _TOKEN.fullmatch(text):
        raise fault_of(path, key, "does not contain one token and nothing else (no word Bearer, no quotes)")
    return text


def fault_of(path: Path, key: str, message: str) -> FaultsError:
    """Return the error for a fault of a file."""
    return FaultsError([Fault(Position(str(path)), key, message)])
