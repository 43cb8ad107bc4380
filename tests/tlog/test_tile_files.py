from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tlog import make_log_files, write_tiles
from tests.tlog.logs import numbered, read_log, sign


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [0, 1, 257, 70_000])
def test_a_log_is_read_back_from_its_folder(tmp_path: Path, size: int) -> None:
    write_tiles(tmp_path / "new" / "log", make_log_files(numbered(size), sign))
    files = read_folder(tmp_path / "new" / "log")
    assert files == dict(make_log_files(numbered(size), sign))
    assert read_log(files)[0].size == size


def test_a_former_export_is_replaced_and_its_partial_tiles_are_kept(tmp_path: Path) -> None:
    for size in (3, 300):
        write_tiles(tmp_path, make_log_files(numbered(size), sign))
    files = read_folder(tmp_path)
    assert read_log(files)[0].size == 300
    assert "tile/0/000.p/3" in files


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and has no file 'checkpoint'"):
        write_tiles(tmp_path, make_log_files(numbered(1), sign))
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(ValueError, match="name another folder, or empty this one"):
        write_tiles(tmp_path, make_log_files(numbered(1), sign))
    assert read_folder(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(NotADirectoryError):
        write_tiles(path, make_log_files(numbered(1), sign))
    assert path.read_text() == "mine"


def test_a_failure_keeps_the_former_checkpoint(tmp_path: Path) -> None:
    write_tiles(tmp_path, make_log_files(numbered(3), sign))
    former = read_folder(tmp_path)
    with pytest.raises(ValueError, match="the entry 300 has"):
        write_tiles(tmp_path, make_log_files([*numbered(300), bytes(65_536)], sign))
    files = read_folder(tmp_path)
    assert former.items() <= files.items()
    assert read_log(files)[0].size == 3


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_tiles(tmp_path, make_log_files([], sign))
    (tmp_path / "tile" / "entries" / "000.p" / "1").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        write_tiles(tmp_path, make_log_files(numbered(1), sign))
    assert list(read_folder(tmp_path)) == ["checkpoint"]


def test_the_checkpoint_is_written_last(tmp_path: Path) -> None:
    def watched() -> Iterator[tuple[str, bytes]]:
        for path, data in make_log_files(numbered(257), sign):
            assert not (tmp_path / "checkpoint").exists()
            yield path, data
        assert (tmp_path / "checkpoint").exists()

    write_tiles(tmp_path, watched())
