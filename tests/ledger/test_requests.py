"""Requests of operators, as files beside the ledger."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.ledger.requests import folder_of, take_requests, write_request


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    path.touch()
    return path


def test_requests_are_taken_once(ledger: Path) -> None:
    for number in range(3):
        write_request(ledger, {"settle": number})
    assert sorted(request["settle"] for request in take_requests(ledger)) == [0, 1, 2]
    assert list(take_requests(ledger)) == []
    assert list(folder_of(ledger).iterdir()) == []


def test_without_a_folder_there_are_no_requests(ledger: Path) -> None:
    assert list(take_requests(ledger)) == []


def test_only_the_owner_of_the_ledger_can_write_requests(ledger: Path) -> None:
    write_request(ledger, {})
    assert stat.S_IMODE(folder_of(ledger).stat().st_mode) == 0o700


def test_a_request_that_is_being_written_is_not_taken(ledger: Path) -> None:
    folder_of(ledger).mkdir()
    unfinished = folder_of(ledger) / "1.tmp"
    unfinished.write_text('{"settle"')
    assert list(take_requests(ledger)) == []
    assert unfinished.exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"[" * 16000, b"\xff", b'"' + b"x" * 20_000 + b'"'])
def test_a_file_that_is_no_request_is_removed(ledger: Path, text: bytes) -> None:
    write_request(ledger, {"settle": "call-1"})
    (folder_of(ledger) / "0.json").write_bytes(text)
    assert list(take_requests(ledger)) == [{"settle": "call-1"}]
    assert list(folder_of(ledger).iterdir()) == []


def test_a_folder_instead_of_a_file_is_left_alone(ledger: Path) -> None:
    write_request(ledger, {"settle": "call-1"})
    (folder_of(ledger) / "0.json").mkdir()
    assert list(take_requests(ledger)) == [{"settle": "call-1"}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_the_gateway_can_take_requests_that_root_has_written(ledger: Path) -> None:
    os.chown(ledger, 65534, 65534)
    file = write_request(ledger, {"settle": "call-1"})
    assert (folder_of(ledger).stat().st_uid, file.stat().st_uid) == (65534, 65534)
