"""Verification of a ledger in both databases. Tampering in detail is in tests/test_tampering.py."""

from __future__ import annotations

import pytest

from gateway.ledger import verification
from gateway.ledger.reader import open_reader
from gateway.ledger.tree import Tree
from gateway.ledger.verification import Verification, verify
from gateway.telemetry import Tracing
from tests.ledger.making import Database
from tests.ledger.records import begun, ended, running_operation
from tests.tlog.keys import make_signer

ORIGIN = "baremetal-gateway/ledger"
SIGNER = make_signer(ORIGIN)


async def run(database: Database, *, is_signed: bool = True, outside: tuple[str, ...] = ()) -> Verification:
    async with open_reader(database.url) as reader:
        return await verify(reader, [SIGNER.verifier] if is_signed else [], outside)


@pytest.fixture
async def filled(database: Database) -> Database:
    store = await database.open()
    done = {"id": "op-1", "done": True, "code": "OK", "resource": {"id": "i", "checksum": "c"}}
    await store.commit(
        [
            begun("a"),
            running_operation("a", "op-1"),
            begun("b"),
            ended("a", kind="operation", operation=done),
            begun("c", name="a\0b", outcome="denied"),
        ]
    )
    await store.commit([begun("b", outcome="refused", code="UNAVAILABLE")])  # a correction
    tree = Tree(store, ORIGIN, SIGNER, None, Tracing())
    await tree.grow()
    await tree.make_checkpoint()
    await store.commit([begun("d")])
    return database


async def test_a_ledger_of_all_kinds_of_events_holds(filled: Database) -> None:
    result = await run(filled)
    assert result.findings == []
    assert (result.events, result.size, result.covered, result.uncovered) == (7, 7, 6, 1)
    assert result.checkpoints == 1


async def test_an_empty_ledger_holds(database: Database) -> None:
    await database.open()
    result = await run(database)
    assert (result.holds, result.size, result.uncovered) == (True, 0, 0)


async def test_signatures_are_checked_only_with_a_key(filled: Database) -> None:
    ((note,),) = await filled.read("SELECT note FROM ledger_checkpoints")
    text = note.partition("\n\n")[0]
    await filled.change(f"UPDATE ledger_checkpoints SET note = '{text}\n'")  # noqa: S608
    assert (await run(filled, is_signed=False)).holds
    assert "a stored checkpoint is not valid" in (await run(filled)).findings[0]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "UPDATE ledger_events SET body = replace(body, 'op-1', 'op-2') WHERE seq = 1",
            "event 1 was changed",
        ),
        ("DELETE FROM ledger_events WHERE seq = 2", "event 2 was removed"),
        ("DELETE FROM ledger_events WHERE seq > 4", "the tail was cut: events 5 to 6 are missing"),
        ("UPDATE ledger_calls SET operation_done = NULL WHERE id = 'a'", "operation_done is None"),
        ("UPDATE ledger_calls SET checksum = 'x' WHERE id = 'a'", "checksum is 'x', by the events it is 'c'"),
        ("UPDATE ledger_calls SET outcome = 'ok' WHERE id = 'b'", "by the events it is 'refused'"),
        ("UPDATE ledger_calls SET seq = 100 WHERE id = 'b'", "names event 100 as its first one"),
        ("DELETE FROM ledger_tree", "the table ledger_tree has 0 rows"),
        ("UPDATE ledger_head SET next_seq = 6", "events were added"),
    ],
)
async def test_a_change_is_found(filled: Database, sql: str, expected: str) -> None:
    await filled.change(sql)
    findings = (await run(filled)).findings
    assert any(expected in finding for finding in findings), findings


async def test_columns_that_show_who_handles_a_call_are_not_compared(filled: Database) -> None:
    await filled.change("UPDATE ledger_calls SET owner = 'x', epoch = 7, tries = 3, due_us = 9")
    assert (await run(filled)).holds


async def test_the_number_of_findings_is_bounded(filled: Database) -> None:
    await filled.change("UPDATE ledger_calls SET seq = seq + 1000, code = 'x', name = 'x', folder_id = 'x'")
    await filled.change("UPDATE ledger_calls SET caller_id = 'x', bundle = 'x', decision = 'x'")
    assert len((await run(filled)).findings) == 20


async def test_progress_is_reported(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[tuple[int, int]] = []
    async with open_reader(filled.url) as reader:
        result = await verify(reader, (), (), lambda done, total: reported.append((done, total)))
        assert reported == []
        monkeypatch.setattr(verification, "PROGRESS_EVENTS", 2)
        await verify(reader, (), (), lambda done, total: reported.append((done, total)))
    assert reported == [(done, result.events) for done in range(2, result.events + 1, 2)]
    assert len(reported) > 1


async def test_after_a_new_signing_key_both_keys_are_needed(database: Database) -> None:
    store, new = await database.open(), make_signer(ORIGIN, "the next key")
    for number, signer in enumerate((SIGNER, new)):
        await store.commit([begun(f"call-{number}")])
        tree = Tree(store, ORIGIN, signer, None, Tracing())
        await tree.grow()
        await tree.make_checkpoint()
    async with open_reader(database.url) as reader:
        one = await verify(reader, [new.verifier], ())
        both = await verify(reader, [new.verifier, SIGNER.verifier], ())
    assert not one.holds
    assert (both.findings, both.checkpoints, both.uncovered) == ([], 2, 0)
