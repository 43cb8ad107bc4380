"""The Merkle tree of a ledger and its checkpoints, in both databases."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.batch import Entry, Store
from gateway.ledger.columns import EventRow
from gateway.ledger.tree import (
    GROUP,
    TILE,
    Tree,
    TreeError,
    append_checkpoint,
    entry_of,
    read_state,
    split_hashes,
)
from gateway.telemetry import Tracing
from gateway.tlog import (
    Checkpoint,
    Signer,
    hash_leaf,
    open_checkpoint,
    parse_checkpoint,
    read_checkpoints,
    root_of,
    sign_checkpoint,
)
from tests.ledger.making import Database
from tests.tlog.keys import make_signer

ORIGIN = "baremetal-gateway/ledger"


def make_tree(store: Store, signer: Signer | None = None, file: Path | None = None) -> Tree:
    return Tree(store, ORIGIN, signer, file, Tracing())


async def add(store: Store, count: int, start: int = 0) -> list[bytes]:
    """Commit events, and return their leaf hashes."""
    bodies = [f'{{"number":{number}}}' for number in range(start, start + count)]
    await store.commit([Entry(event=EventRow("", "attempt", 1, body)) for body in bodies])
    return [hash_leaf(body.encode()) for body in bodies]


async def stored(database: Database) -> list[bytes]:
    rows = await database.read("SELECT seq, hashes FROM ledger_hashes ORDER BY seq")
    assert [seq for seq, _ in rows] == [TILE * index for index in range(len(rows))]
    assert all(len(data) == TILE * 32 for _, data in rows[:-1])
    return [one for _, data in rows for one in split_hashes(bytes(data))]


async def test_the_tree_has_all_events(database: Database) -> None:
    store = await database.open()
    tree = make_tree(store)
    hashes: list[bytes] = []
    for count in (1, 2, 254, 300, 5):
        hashes += await add(store, count, len(hashes))
        assert not await tree.grow()
        async with store.transaction() as session:
            state = await read_state(session)
        assert state.size == len(hashes)
        assert await stored(database) == hashes
        await tree.make_checkpoint()
    notes = await database.read("SELECT size, note FROM ledger_checkpoints ORDER BY size")
    assert [size for size, _ in notes] == [1, 3, 257, 557, 562]
    for size, note in notes:
        checkpoint = parse_checkpoint(note)
        assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
        assert checkpoint.root == root_of(hashes[:size])


async def test_many_events_are_added_in_several_transactions(database: Database) -> None:
    store = await database.open()
    hashes = await add(store, GROUP + 1)
    tree = make_tree(store)
    assert [await tree.grow(), await tree.grow()] == [True, False]
    assert await stored(database) == hashes


async def test_an_empty_ledger_has_no_checkpoint(database: Database) -> None:
    tree = make_tree(await database.open())
    assert not await tree.grow()
    await tree.make_checkpoint()
    assert await database.read("SELECT size FROM ledger_checkpoints") == []


async def test_a_checkpoint_is_made_once_for_each_size_and_signed(
    database: Database, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    store = await database.open()
    file = tmp_path / "checkpoints"
    signer = make_signer(ORIGIN)
    for tree in (make_tree(store, signer, file), make_tree(store, signer, file)):
        await add(store, 1)
        await tree.grow()
        await tree.make_checkpoint()
        await tree.make_checkpoint()
        await make_tree(store, signer, file).make_checkpoint()
    notes = read_checkpoints(file.read_text())
    assert [open_checkpoint(note, signer.verifier).size for note in notes] == [1, 2]
    assert await database.read("SELECT note FROM ledger_checkpoints ORDER BY size") == [(n,) for n in notes]
    assert [entry.getMessage() for entry in logs.records].count("ledger checkpoint") == 2


async def test_a_file_that_cannot_be_written_is_logged(
    database: Database, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    store = await database.open()
    await add(store, 1)
    tree = make_tree(store, file=tmp_path / "nowhere" / "checkpoints")
    await tree.grow()
    await tree.make_checkpoint()
    assert "checkpoint not written to its file" in logs.text
    assert len(await database.read("SELECT size FROM ledger_checkpoints")) == 1


async def test_a_missing_event_stops_the_tree(database: Database) -> None:
    store = await database.open()
    await add(store, 5)
    await database.change("DELETE FROM ledger_events WHERE seq = 2")
    with pytest.raises(TreeError, match="event 0 or a later event is missing"):
        await make_tree(store).grow()
    async with store.transaction() as session:
        assert (await read_state(session)).size == 0


@pytest.mark.parametrize("edge", ["X'00'", "X''"])
async def test_a_damaged_edge_is_an_error_of_the_tree(sqlite_database: Database, edge: str) -> None:
    store = await sqlite_database.open()
    await add(store, 3)
    tree = make_tree(store)
    await tree.grow()
    await sqlite_database.change(f"UPDATE ledger_tree SET edge = {edge}")  # noqa: S608
    with pytest.raises(TreeError, match="damaged"):
        await tree.make_checkpoint()
    await add(store, 1)
    with pytest.raises(TreeError, match="damaged"):
        await tree.grow()


async def test_a_missing_row_is_an_error_of_the_tree(database: Database) -> None:
    store = await database.open()
    await database.change("DELETE FROM ledger_tree")
    with pytest.raises(TreeError, match="damaged"):
        await make_tree(store).grow()


async def test_two_builders_do_not_add_events_twice(postgres_database: Database) -> None:
    stores = [await postgres_database.open() for _ in range(2)]
    hashes = await add(stores[0], 700)

    async def build(store: Store) -> None:
        for _ in range(3):
            try:
                await make_tree(store).grow()
            except TreeError:
                continue

    await asyncio.gather(*map(build, stores))
    assert await stored(postgres_database) == hashes
    async with stores[0].transaction() as session:
        assert (await read_state(session)).size == 700


def test_long_entries_are_hashes() -> None:
    assert entry_of("{}") == b"{}"
    longest = "ä" * 32767
    assert entry_of(longest) == longest.encode()
    longer = longest + "äx"
    assert entry_of(longer) == b"sha256:" + hashlib.sha256(longer.encode()).hexdigest().encode()


def test_hashes_are_split() -> None:
    given: Any = [bytes([number]) * 32 for number in range(3)]
    assert split_hashes(b"".join(given)) == given
    assert split_hashes(b"") == []


@pytest.mark.parametrize("cut", [1, 9, 20, 60])
def test_a_checkpoint_after_one_that_was_cut_can_be_read(tmp_path: Path, cut: int) -> None:
    signer, file = make_signer("ledger"), tmp_path / "checkpoints"
    notes = [sign_checkpoint(Checkpoint(origin="ledger", size=n, root=bytes(32)), signer) for n in (1, 2, 3)]
    append_checkpoint(file, notes[0])
    with file.open("a") as target:
        target.write(f"\n{notes[1][:cut]}")
    append_checkpoint(file, notes[2])
    found = read_checkpoints(file.read_text())
    assert (found[0], found[-1]) == (notes[0], notes[2])


def test_a_full_disk_leaves_no_part_of_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoints"
    append_checkpoint(file, "one\n")

    def fail(_file: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("gateway.ledger.tree.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        append_checkpoint(file, "two\n")
    assert file.read_text() == "one\n"
