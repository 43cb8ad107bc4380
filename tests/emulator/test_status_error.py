"""Errors of the emulated cloud."""

from __future__ import annotations

from gateway.emulator.status_error import StatusError, invalid_argument, not_found
from gateway.errors import Code


def test_an_error_has_code_message_and_details() -> None:
    error = StatusError(Code.ABORTED, "again")
    assert (error.code, error.message, error.details, str(error)) == (Code.ABORTED, "again", (), "again")


def test_common_errors() -> None:
    assert invalid_argument("bad").code is Code.INVALID_ARGUMENT
    error = not_found("Image", "x")
    assert (error.code, error.message) == (Code.NOT_FOUND, "Image 'x' not found")
