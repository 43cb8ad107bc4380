from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from gateway.tlog import EMPTY_ROOT, bundle_path, hash_leaf, make_log_files, root_of, tile_path
from gateway.tlog.tiles import LONGEST_ENTRY
from tests.tlog.logs import numbered, read_log, sign


@pytest.mark.parametrize(
    ("index", "width", "path"),
    [
        (1234067, 256, "x001/x234/067"),  # the example of https://c2sp.org/tlog-tiles
        (0, 256, "000"),
        (0, 1, "000.p/1"),
        (7, 255, "007.p/255"),
        (999, 256, "999"),
        (1000, 256, "x001/000"),
        (273, 112, "273.p/112"),
        (999_999, 256, "x999/999"),
        (1_000_000, 3, "x001/x000/000.p/3"),
        (2**55, 256, "x036/x028/x797/x018/x963/968"),
    ],
)
def test_paths(index: int, width: int, path: str) -> None:
    assert tile_path(0, index, width) == f"tile/0/{path}"
    assert tile_path(63, index, width) == f"tile/63/{path}"
    assert bundle_path(index, width) == f"tile/entries/{path}"


def test_paths_of_full_tiles() -> None:
    assert (tile_path(1, 2), bundle_path(3)) == ("tile/1/002", "tile/entries/003")


def test_an_empty_log_has_a_checkpoint_only() -> None:
    assert dict(make_log_files([], sign)) == {"checkpoint": sign(0, EMPTY_ROOT).encode()}


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 1000])
def test_the_tiles_have_the_root_of_the_checkpoint(size: int) -> None:
    checkpoint, entries = read_log(dict(make_log_files(numbered(size), sign)))
    assert entries == list(numbered(size))
    assert (checkpoint.size, checkpoint.root) == (size, root_of(map(hash_leaf, entries)))


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (1, ["tile/entries/000.p/1", "tile/0/000.p/1"]),
        (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]),
        (
            257,
            [
                "tile/entries/000",
                "tile/0/000",
                "tile/entries/001.p/1",
                "tile/0/001.p/1",
                "tile/1/000.p/1",
            ],
        ),
    ],
)
def test_the_files_of_a_log(size: int, paths: list[str]) -> None:
    assert [path for path, _ in make_log_files(numbered(size), sign)] == [*paths, "checkpoint"]


def test_a_large_log_has_the_tiles_of_the_specification() -> None:
    files = dict(make_log_files(numbered(70_000), sign))
    folders = Counter(path.split("/")[1] for path in files if path != "checkpoint")
    assert folders == {"entries": 274, "0": 274, "1": 2, "2": 1}
    partial = {path for path in files if ".p/" in path}
    assert partial == {"tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert len(files["tile/0/272"]) == len(files["tile/1/000"]) == 8192
    checkpoint, entries = read_log(files)
    assert (checkpoint.size, checkpoint.root) == (70_000, root_of(map(hash_leaf, entries)))
    assert entries == list(numbered(70_000))


def test_entries_are_read_one_by_one() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b""

    files = make_log_files(endless(), sign)
    for count in (1, 2, 3):
        assert next(files)[0] == bundle_path(count - 1)
        assert read == 256 * count
        assert next(files)[0] == tile_path(0, count - 1)


def test_entries_have_their_length_before_them() -> None:
    files = dict(make_log_files([b"", b"a", bytes(258)], sign))
    assert files["tile/entries/000.p/3"] == b"\x00\x00\x00\x01a\x01\x02" + bytes(258)


def test_a_long_entry_is_refused() -> None:
    longest = bytes(LONGEST_ENTRY)
    assert read_log(dict(make_log_files([longest], sign)))[1] == [longest]
    with pytest.raises(ValueError, match="the entry 1 has 65536 bytes, more than 65535"):
        dict(make_log_files([b"", longest + b"a"], sign))
