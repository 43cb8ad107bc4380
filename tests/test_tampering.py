"""A ledger that somebody changes by hand: `audit verify` finds and names what was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.ledger.events import read_event
from gateway.tlog import Checkpoint, hash_leaf, read_checkpoints, sign_checkpoint
from tests.commands import run_command
from tests.tampered import ORIGIN, Evidence, change_body, forge, grow
from tests.tlog.keys import make_signer, public_pem
from tests.tlog.logs import read_entries, read_level


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of 60 events and 2 checkpoints, which tests copy."""
    folder = tmp_path_factory.mktemp("ledger")
    grow(folder / "ledger.db", folder / "checkpoints", range(8), range(8, 20))
    (folder / "public.pem").write_bytes(public_pem())
    return folder


@pytest.fixture
def evidence(made: Path, tmp_path: Path) -> Evidence:
    for file in made.iterdir():
        shutil.copy(file, tmp_path / file.name)
    return Evidence(tmp_path / "ledger.db", tmp_path / "public.pem", tmp_path / "checkpoints")


def test_an_untouched_ledger_holds(evidence: Evidence) -> None:
    result = evidence.verify()
    assert result == {
        "holds": True,
        "events": 60,
        "size": 60,
        "removed_by_retention": 0,
        "checkpoints": 4,  # two in the database, and the same two in the file
        "signatures_checked": True,
        "covered": 60,
        "not_covered": 0,
        "findings": [],
    }


def test_events_after_the_last_checkpoint_are_reported_as_not_covered(evidence: Evidence) -> None:
    evidence.run("DELETE FROM ledger_checkpoints WHERE size > 24")
    evidence.checkpoints.write_text(read_checkpoints(evidence.checkpoints.read_text())[0])
    result = evidence.verify()
    assert (result["holds"], result["covered"], result["not_covered"]) == (True, 24, 36)
    done = run_command("audit", "verify", "--ledger", evidence.url)
    assert "36 events after the last checkpoint are not covered by one" in done.stdout


# Changes that the stored hashes and the projection show

CHANGES = {
    "a field of a body": (
        "UPDATE ledger_events SET body = replace(body, 'image-5', 'image-X') WHERE seq = 15",
        "event 15 was changed",
    ),
    "a space in a body": (
        "UPDATE ledger_events SET body = replace(body, '{', '{ ') WHERE seq = 15",
        "event 15 was changed",
    ),
    "a column": (
        "UPDATE ledger_events SET time_us = time_us + 1 WHERE seq = 15",
        "event 15 was changed: its column time_us",
    ),
    "the call of an event": (
        "UPDATE ledger_events SET call = 'call-007' WHERE seq = 16",
        "event 16 was changed: its column call is 'call-007', not 'call-005'",
    ),
    "the kind": (
        "UPDATE ledger_events SET kind = 'attempt' WHERE seq = 16",
        "event 16 was changed: its column kind",
    ),
    "a deleted event": ("DELETE FROM ledger_events WHERE seq = 30", "event 30 was removed"),
    "deleted events": ("DELETE FROM ledger_events WHERE seq BETWEEN 3 AND 40", "event 3 was removed"),
    "the first event": ("DELETE FROM ledger_events WHERE seq = 0", "event 0 was removed"),
    "swapped events": (
        "UPDATE ledger_events SET seq = -(33 - seq) WHERE seq IN (15, 18); "  # noqa: ISC004
        "UPDATE ledger_events SET seq = -seq WHERE seq < 0",
        "event 15 was replaced by what was event 18: events were reordered",
    ),
    "a cut tail": ("DELETE FROM ledger_events WHERE seq >= 50", "the tail was cut: events 50 to 59"),
    "a cut tail with its number": (
        "DELETE FROM ledger_events WHERE seq >= 50; UPDATE ledger_head SET next_seq = 50",
        "the tail was cut: the tree has 60 events, the ledger has 50",
    ),
    "no events": ("DELETE FROM ledger_events", "the tail was cut: events 0 to 59"),
    "an event that was added": (
        "INSERT INTO ledger_events SELECT 60, call, kind, time_us, body FROM ledger_events WHERE seq = 59",
        "events were added: the next event has the number 60, the ledger has 61 events",
    ),
    "an outcome in the projection": (
        "UPDATE ledger_calls SET outcome = 'error' WHERE id = 'call-004'",
        "outcome is 'error', by the events it is 'ok'",
    ),
    "a caller in the projection": (
        "UPDATE ledger_calls SET caller_id = 'somebody' WHERE id = 'call-004'",
        "caller_id is 'somebody', by the events it is 'me'",
    ),
    "the place of a call": (
        "UPDATE ledger_calls SET seq = 1000 WHERE id = 'call-004'",
        "call-004",
    ),
    "a call that was removed from the projection": (
        "DELETE FROM ledger_calls WHERE id = 'call-004'",
        "the projection lacks the call",
    ),
    "a call that was added to the projection": (
        "UPDATE ledger_calls SET id = 'other' WHERE id = 'call-004'",
        "(other), which has no event",
    ),
    "the edge of the tree": ("UPDATE ledger_tree SET edge = zeroblob(length(edge))", "the stored tree"),
    "a body that is no event": (
        "UPDATE ledger_events SET body = '[]' WHERE seq = 15",
        "event 15 was changed",
    ),
    "a body that is no text": (
        "UPDATE ledger_events SET body = CAST(body AS BLOB) || x'ff' WHERE seq = 15",
        "event 15 was changed",
    ),
    "a body that is no UTF-8": (
        "UPDATE ledger_events SET body = CAST(x'ff' AS TEXT) WHERE seq = 15",
        "event 15 was changed",
    ),
    "a record without its fields": (
        """UPDATE ledger_events SET body = json_remove(body, '$.target') WHERE seq = 15""",
        "event 15 was changed",
    ),
    "an operation that is no object": (
        """UPDATE ledger_events SET body = json_set(body, '$.operation', 'x') WHERE seq = 16""",
        "event 16 was changed",
    ),
    "an ID that is no text": (
        "UPDATE ledger_events SET body = json_set(body, '$.id', json('[1]')) WHERE seq = 16",
        "event 16 was changed",
    ),
    "a retention that nobody made": (
        "UPDATE ledger_events SET body = json_set(body, '$.kind', 'retention') WHERE seq = 16",
        "event 16 was changed",
    ),
    "a body of many brackets": (
        "UPDATE ledger_events SET body = replace(hex(zeroblob(60000)), '0', '[') WHERE seq = 15",
        "event 15 was changed",
    ),
    "no tree": ("DELETE FROM ledger_tree", "ledger_tree"),
    "no number": ("DELETE FROM ledger_head", "ledger_head"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_named(evidence: Evidence, name: str) -> None:
    script, expected = CHANGES[name]
    evidence.run_all(script)
    evidence.has_key = evidence.has_checkpoints = False
    findings = evidence.findings()
    assert any(expected in finding for finding in findings), findings


# Somebody who also computes the derived tables again

FORGERIES: dict[str, tuple[str, str]] = {
    "a change": (
        "UPDATE ledger_events SET body = replace(body, 'image-5', 'image-X') WHERE seq = 15",
        "an event between 0 and 23 was changed, and the stored hashes with it: the root differs",
    ),
    "a later change": (
        "UPDATE ledger_events SET body = replace(body, 'image-15', 'image-X') WHERE seq = 45",
        "an event between 24 and 59 was changed",
    ),
    "a cut tail": (
        "DELETE FROM ledger_events WHERE seq >= 45; DELETE FROM ledger_calls WHERE seq >= 45",
        "a checkpoint covers 60 events, the ledger has 45: its tail was cut, or it is an older backup",
    ),
    "a removed event": (
        "DELETE FROM ledger_events WHERE seq = 17; "  # noqa: ISC004
        "UPDATE ledger_events SET seq = -seq WHERE seq > 17; "
        "UPDATE ledger_events SET seq = -seq - 1 WHERE seq < 0",
        "an event between 0 and 23 was changed",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_checkpoints_that_were_kept_outside_show_a_forgery(evidence: Evidence, name: str) -> None:
    script, expected = FORGERIES[name]
    evidence.run_all(script)
    forge(evidence)
    findings = evidence.findings()
    assert any(expected in finding for finding in findings), findings


def test_a_new_checkpoint_without_a_signature_is_found(evidence: Evidence) -> None:
    change_body(evidence, 15, "image-5", "image-X")
    forge(evidence, note=Checkpoint.to_text)
    evidence.has_checkpoints = False
    assert any("a stored checkpoint is not valid" in finding for finding in evidence.findings())


def test_a_new_checkpoint_with_the_signature_of_another_key_is_found(evidence: Evidence) -> None:
    change_body(evidence, 15, "image-5", "image-X")
    forge(evidence, note=lambda checkpoint: sign_checkpoint(checkpoint, make_signer(ORIGIN, "other")))
    evidence.has_checkpoints = False
    assert any("has no signature by the key" in finding for finding in evidence.findings())


def test_a_forged_signature_is_found(evidence: Evidence) -> None:
    note = evidence.run("SELECT note FROM ledger_checkpoints ORDER BY size")[0][0]
    _, _, signature = note.partition("\n\n")
    change_body(evidence, 15, "image-5", "image-X")
    forge(evidence, note=lambda checkpoint: f"{checkpoint.to_text()}\n{signature}")
    evidence.has_checkpoints = False
    assert any("is wrong: the note was altered" in finding for finding in evidence.findings())


def test_without_checkpoints_a_forgery_is_only_reported_as_not_covered(evidence: Evidence) -> None:
    change_body(evidence, 1, '"ok"', '"ok" ')
    forge(evidence)
    evidence.has_checkpoints = False
    result = evidence.verify()
    assert (result["covered"], result["not_covered"], result["checkpoints"]) == (0, 60, 0)


def test_the_checkpoint_of_another_ledger_is_found(evidence: Evidence) -> None:
    note = sign_checkpoint(Checkpoint(origin="another/ledger", size=24, root=bytes(32)), make_signer(ORIGIN))
    evidence.run("UPDATE ledger_checkpoints SET note = ? WHERE size = 24", note)
    assert any("the checkpoints belong to several ledgers" in finding for finding in evidence.findings())


def test_a_file_of_checkpoints_that_was_cut_is_found(evidence: Evidence) -> None:
    text = evidence.checkpoints.read_text()
    evidence.checkpoints.write_text(text[:-20])
    assert any("a given checkpoint is not valid" in finding for finding in evidence.findings())


def test_an_older_backup_is_found(made: Path, evidence: Evidence, tmp_path: Path) -> None:
    grow(evidence.file, evidence.checkpoints, range(20, 24))
    assert evidence.verify()["covered"] == 72
    shutil.copy(made / "ledger.db", evidence.file)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    expected = "a checkpoint covers 72 events, the ledger has 60: its tail was cut, or it is an older backup"
    assert evidence.findings() == [expected]


# Retention


@pytest.fixture
def pruned(evidence: Evidence) -> Evidence:
    """A ledger whose first 58 events were removed by retention, because they are old."""
    evidence.run("UPDATE ledger_events SET time_us = 1 WHERE seq < 58")
    grow(evidence.file, evidence.checkpoints, retention_s=86400)
    assert evidence.run("SELECT min(seq), max(seq) FROM ledger_events") == [(58, 60)]
    return evidence


def test_events_that_retention_removed_are_no_fault(pruned: Evidence) -> None:
    result = pruned.verify()
    assert (result["findings"], result["removed_by_retention"], result["events"]) == ([], 58, 3)
    assert (result["size"], result["covered"], result["checkpoints"]) == (61, 61, 6)


@pytest.mark.parametrize("is_hidden", [False, True])
def test_further_events_that_were_removed_by_hand_are_found(pruned: Evidence, *, is_hidden: bool) -> None:
    pruned.run("DELETE FROM ledger_events WHERE seq = 58")
    if is_hidden:
        pruned.run("UPDATE ledger_tree SET pruned = 59")
    expected = (
        "59 events are gone, but retention recorded only 58"
        if is_hidden
        else "event 58 was removed; the next one is event 59"
    )
    assert any(expected in finding for finding in pruned.findings())


def test_an_event_of_a_retention_that_no_checkpoint_covers_proves_nothing(evidence: Evidence) -> None:
    body = '{"kind":"retention","id":"","time":"2026-11-29T00:00:00.000000Z","removed":30}'
    time_us = read_event(body).time_us
    evidence.run(f"INSERT INTO ledger_events VALUES (60, '', 'retention', {time_us}, '{body}')")  # noqa: S608
    evidence.run("DELETE FROM ledger_events WHERE seq < 30")
    evidence.run("DELETE FROM ledger_calls WHERE seq < 30")
    evidence.run("UPDATE ledger_tree SET pruned = 30")
    evidence.run("UPDATE ledger_head SET next_seq = 61")
    (finding,) = evidence.findings()
    assert "30 events are gone, but retention recorded only 0" in finding


@pytest.mark.parametrize("table", ["ledger_events", "ledger_hashes"])
def test_a_number_that_is_far_too_high_is_found_soon(evidence: Evidence, table: str) -> None:
    evidence.run(f"UPDATE {table} SET seq = {2**62} WHERE seq = (SELECT max(seq) FROM {table})")  # noqa: S608
    assert evidence.findings()


def test_a_replaced_checkpoint_covers_nothing_if_its_signature_is_not_checked(evidence: Evidence) -> None:
    first, _ = read_checkpoints(evidence.checkpoints.read_text())
    evidence.checkpoints.write_text(first)
    evidence.has_key = False
    assert evidence.verify()["covered"] == 24


def test_the_hashes_of_removed_events_must_be_there(pruned: Evidence) -> None:
    pruned.run("DELETE FROM ledger_hashes")
    assert any("leaf hashes of removed events are missing: 58" in one for one in pruned.findings())


# Tiles


def test_tiles_are_verified_from_the_files(evidence: Evidence, tmp_path: Path) -> None:
    grow(evidence.file, evidence.checkpoints, range(20, 110))
    folder = tmp_path / "tiles"
    done = run_command("audit", "export", "--tiles", folder, "--ledger", evidence.url)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (note,) = read_checkpoints(files["checkpoint"].decode())
    assert note == read_checkpoints(evidence.checkpoints.read_text())[-1]
    bodies = [body.encode() for body in evidence.bodies()]
    assert read_entries(files, 330) == bodies
    assert read_level(files, 0, 330) == [hash_leaf(body) for body in bodies]
    change_body(evidence, 100, "call-033", "call-034")
    done = run_command("audit", "export", "--tiles", folder, "--ledger", evidence.url)
    assert done.returncode == 2
    assert "the events do not match the newest checkpoint; run audit verify" in done.stderr
