"""Whether the files of a ledger can be written, without writing them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.ledger import LedgerSection
from gateway.ledger.places import find_unusable_files


def faults(tmp_path: Path, **keys: str) -> list[str]:
    found = map(str, find_unusable_files(LedgerSection.model_validate(keys)))
    return [fault.replace(str(tmp_path), "") for fault in found]


def test_files_that_can_be_created_are_not_created(tmp_path: Path) -> None:
    assert faults(tmp_path, url=f"sqlite:///{tmp_path}/l.db", checkpoints=f"{tmp_path}/c") == []
    assert list(tmp_path.iterdir()) == []


def test_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "l.db").touch()
    (tmp_path / "c").touch()
    assert faults(tmp_path, url=f"sqlite:///{tmp_path}/l.db", checkpoints=f"{tmp_path}/c") == []


def test_folders_that_do_not_exist_and_files_that_are_folders(tmp_path: Path) -> None:
    assert faults(tmp_path, url=f"sqlite:///{tmp_path}/no/l.db", checkpoints=str(tmp_path)) == [
        "sqlite:////no/l.db: ledger.url: cannot be opened: No such file or directory",
        ": ledger.checkpoints: cannot be opened: Is a directory",
    ]
    too_long = "x" * 300
    (fault,) = faults(tmp_path, url=f"sqlite:///{tmp_path}/{too_long}")
    assert fault.endswith("cannot be opened: File name too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_folders_and_files_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "c").touch(mode=0o400)
    assert faults(tmp_path, url=f"sqlite:///{tmp_path}/closed/l.db", checkpoints=f"{tmp_path}/c") == [
        "sqlite:////closed/l.db: ledger.url: cannot be opened: Permission denied",
        "/c: ledger.checkpoints: cannot be opened: Permission denied",
    ]


def test_another_database_is_not_checked(tmp_path: Path) -> None:
    assert faults(tmp_path, url="postgresql://gateway:p@db.example/ledger") == []
