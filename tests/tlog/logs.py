"""Logs for tests of tiles: entries, and a client that reads the files as the specification describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.tlog import Checkpoint, hash_leaf, open_checkpoint, root_of, sign_checkpoint
from tests.tlog.keys import NAME, make_signer

SIGNER = make_signer()


def numbered(size: int) -> Iterator[bytes]:
    return (b"entry %d" % number for number in range(size))


def sign(size: int, root: bytes) -> str:
    return sign_checkpoint(Checkpoint(origin=NAME, size=size, root=root), SIGNER)


def read_log(files: Mapping[str, bytes]) -> tuple[Checkpoint, list[bytes]]:
    """Return the checkpoint and the entries of a log, after a check of all its tiles."""
    checkpoint = open_checkpoint(files["checkpoint"].decode(), SIGNER.verifier)
    entries = read_entries(files, checkpoint.size)
    hashes = [hash_leaf(entry) for entry in entries]
    level = 0
    while hashes:
        assert read_level(files, level, len(hashes)) == hashes
        full = range(0, len(hashes) - len(hashes) % 256, 256)
        hashes, level = [root_of(hashes[start : start + 256]) for start in full], level + 1
    return checkpoint, entries


def read_level(files: Mapping[str, bytes], level: int, size: int) -> list[bytes]:
    data = b"".join(files[path] for path in paths(str(level), size))
    assert len(data) == 32 * size
    return [data[start : start + 32] for start in range(0, len(data), 32)]


def read_entries(files: Mapping[str, bytes], size: int) -> list[bytes]:
    entries = []
    for path in paths("entries", size):
        data = files[path]
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            entries.append(data[2:end])
            data = data[end:]
    assert len(entries) == size
    return entries


def paths(name: str, size: int) -> Iterator[str]:
    """Yield the paths of the tiles of a level, for indexes of up to six digits."""
    for index in range(-(-size // 256)):
        width = min(256, size - 256 * index)
        high, low = divmod(index, 1000)
        number = f"x{high:03}/{low:03}" if high else f"{low:03}"
        yield f"tile/{name}/{number}" + ("" if width == 256 else f".p/{width}")
