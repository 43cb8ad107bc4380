"""The owner of a lock on a file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from gateway.cli.doctor.file_locks import find_lock_owner

LOCKS = Path("/proc/locks")


@pytest.mark.skipif(not LOCKS.exists(), reason="this system does not list its locks")
def test_the_owner_is_found_and_the_lock_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db.lock"
    path.touch()
    assert find_lock_owner(path, LOCKS) is None
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert find_lock_owner(path, LOCKS) == os.getpid()
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_that_waits_for_the_lock_is_not_its_owner(tmp_path: Path) -> None:
    path, locks = tmp_path / "file", tmp_path / "locks"
    path.touch()
    status = path.stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 5 {place} 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 6 {place} 0 EOF\n"
    )
    assert find_lock_owner(path, locks) is None
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE 7 {place} 0 EOF\n")
    assert find_lock_owner(path, locks) == 7


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    assert find_lock_owner(tmp_path / "none", LOCKS) is None
    (tmp_path / "file").touch()
    assert find_lock_owner(tmp_path / "file", tmp_path / "none") is None
