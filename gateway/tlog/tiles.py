"""The files of a log that other tools can verify (https://c2sp.org/tlog-tiles).

A tile contains up to 256 consecutive hashes of one level. Level 0 has the leaf hashes. Each hash of a higher
level is the root of a full tile of the level below. An entry bundle contains the entries whose leaf hashes
are in one tile of level 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.tlog.merkle import RightEdge, hash_leaf, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TILE_WIDTH = 256
"""The number of hashes in a full tile, and of entries in a full bundle."""

LONGEST_ENTRY = 65_535
"""The largest number of bytes of an entry."""

CHECKPOINT_PATH = "checkpoint"
"""The path of the signed checkpoint."""

_BUNDLES = "entries"


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile, such as `tile/0/x001/x234/067`, or `tile/0/000.p/17` for a partial tile.

    Args:
        level: the level of the tile, from 0.
        index: the index of the tile in its level, from 0.
        width: the number of hashes in the tile.
    """
    return _make_path(str(level), index, width)


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle, such as `tile/entries/x001/x234/067`.

    Args:
        index: the index of the bundle, from 0.
        width: the number of entries in the bundle.
    """
    return _make_path(_BUNDLES, index, width)


def make_log_files(
    entries: Iterable[bytes], make_checkpoint: Callable[[int, bytes], str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the relative path and the content of each file of a log. The checkpoint is the last file.

    The entries are read one by one. One bundle of entries and one tile of each level are kept in memory.

    Args:
        entries: all entries of the log in their order.
        make_checkpoint: a function that takes the size and the root of the log, and returns the signed
            checkpoint. It is called once, after the last entry.

    Raises:
        ValueError: an entry has more than 65,535 bytes.
    """
    edge = RightEdge()
    bundle, tiles = _LastFile(_BUNDLES), [_LastFile("0")]
    for entry in entries:
        bundle.parts.append(_encode_entry(entry, edge.size))
        leaf_hash = hash_leaf(entry)
        tiles[0].parts.append(leaf_hash)
        edge.append(leaf_hash)
        if bundle.is_full:
            yield bundle.take()
            yield from _take_full_tiles(tiles)
    yield from (file.take() for file in (bundle, *tiles) if file.parts)
    yield CHECKPOINT_PATH, make_checkpoint(edge.size, edge.root()).encode()


class _LastFile:
    """The last tile of a level, or the last entry bundle, while it is filled.

    Attributes:
        parts: the hashes of the tile, or the encoded entries of the bundle.
    """

    def __init__(self, name: str) -> None:
        self.parts: list[bytes] = []
        self._name = name
        self._index = 0

    @property
    def is_full(self) -> bool:
        return len(self.parts) == TILE_WIDTH

    def take(self) -> tuple[str, bytes]:
        """Return the path and the content, and start the next tile or bundle."""
        file = _make_path(self._name, self._index, len(self.parts)), b"".join(self.parts)
        self.parts.clear()
        self._index += 1
        return file


def _take_full_tiles(tiles: list[_LastFile]) -> Iterator[tuple[str, bytes]]:
    """Yield the full tiles, from level 0 up, and add the root of each full tile to the level above."""
    level = 0
    while (tile := tiles[level]).is_full:
        level += 1
        if level == len(tiles):
            tiles.append(_LastFile(str(level)))
        tiles[level].parts.append(root_of(tile.parts))
        yield tile.take()


def _encode_entry(entry: bytes, index: int) -> bytes:
    if len(entry) > LONGEST_ENTRY:
        raise ValueError(f"the entry {index} has {len(entry)} bytes, more than {LONGEST_ENTRY}")
    return len(entry).to_bytes(2, "big") + entry


def _make_path(name: str, index: int, width: int) -> str:
    groups = f"{index:,}".split(",")
    segments = [f"x{group:0>3}" for group in groups[:-1]]
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(["tile", name, *segments, f"{groups[-1]:0>3}{suffix}"])
