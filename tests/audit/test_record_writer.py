"""The decision log: sinks on real files and pipes, and what becomes of calls when they fail."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.audit.record_writer import RecordWriter
from gateway.errors import Code, GatewayError
from gateway.sinks.file import FileSink
from gateway.sinks.stdout import StdoutSink
from gateway.telemetry import Health, Metrics

RECORD = {"kind": "decision", "id": "1"}
FULL = Path("/dev/full")


class HeldSink:
    """Writes when it is let, as a pipe that nobody reads."""

    is_durable = False

    def __init__(self) -> None:
        self.free = threading.Event()
        self.groups: list[bytes] = []

    def write(self, records: bytes) -> None:
        self.free.wait(30)
        self.groups.append(records)

    def close(self) -> None:
        pass


class BadSink:
    is_durable = True

    def write(self, records: bytes) -> None:
        raise RuntimeError(records)

    def close(self) -> None:
        pass


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


def soon(seconds: float = 10.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def lost(metrics: Metrics) -> float:
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_decision_log_lost_total"):
            return float(line.rpartition(" ")[2])
    return 0.0


def open_log(sink: Any, metrics: Metrics, **options: Any) -> RecordWriter:
    return RecordWriter(sink, metrics, Health(), **{"capacity": 10, "when_full": "refuse", **options})


async def test_a_record_is_in_the_file_when_its_call_goes_on(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=True), metrics)
    await log.write(RECORD | {"text": "a\nя"}, soon())
    assert json.loads(path.read_text()) == RECORD | {"text": "a\nя"}
    assert path.read_bytes().endswith(b"}\n")
    await log.close()


async def test_no_character_of_a_line_is_unseen(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics)
    text = "a\x9b31m\u202eb\u2028c\x7fd\u200be\ufefff\U000e0041"
    await log.write(RECORD | {text: [text]}, soon())
    await log.close()
    written = path.read_text()
    assert written.removesuffix("\n").isprintable()
    assert r"a\u009b31m\u202eb\u2028c\u007fd\u200be\ufefff\udb40\udc41" in written
    assert json.loads(written) == RECORD | {text: [text]}


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(OSError, match="neither a regular file"):
        FileSink(path, survives_power_loss=False)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="neither a regular file"):
        FileSink(path, survives_power_loss=False)
    os.close(reading)


async def test_a_fifo_in_the_files_place_refuses_calls(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon())
    await log.close()


def test_other_files_are_refused_and_devices_taken(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        FileSink(tmp_path, survives_power_loss=False)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(tmp_path / "s"))
    with pytest.raises(OSError, match="neither a regular file"):
        FileSink(tmp_path / "s", survives_power_loss=False)
    bound.close()
    sink = FileSink(Path(os.devnull), survives_power_loss=False)
    sink.write(b"x\n")
    sink.close()


async def test_many_callers_write_whole_lines(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics, capacity=1000)
    await asyncio.gather(*(log.write({"id": number}, soon()) for number in range(500)))
    await log.close()
    assert sorted(json.loads(line)["id"] for line in path.read_text().splitlines()) == list(range(500))


async def test_the_file_is_only_for_its_owner_and_group(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    await open_log(FileSink(path, survives_power_loss=False), metrics).close()
    assert path.stat().st_mode & 0o007 == 0


async def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics)
    await log.write({"id": 1}, soon())
    path.rename(tmp_path / "old.jsonl")
    await log.write({"id": 2}, soon())
    await log.write({"id": 3}, soon())
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [2, 3]
    assert json.loads((tmp_path / "old.jsonl").read_text())["id"] == 1
    await log.close()


async def test_a_full_disk_refuses_the_call_and_says_so_once(
    metrics: Metrics, logs: pytest.LogCaptureFixture
) -> None:
    log = open_log(FileSink(FULL, survives_power_loss=False), metrics)
    for _ in range(3):
        with pytest.raises(GatewayError) as caught:
            await log.write(RECORD, soon())
        assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, "DECISION_NOT_RECORDED")
    assert lost(metrics) == 3
    (told,) = [one for one in logs.records if one.message == "decision log cannot be written"]
    assert told.__dict__["so"] == "calls are refused"
    await log.close()


async def test_a_full_disk_loses_records_when_that_was_chosen(metrics: Metrics) -> None:
    log = open_log(FileSink(FULL, survives_power_loss=False), metrics, when_full="drop")
    await log.write(RECORD, soon())
    await log.close()
    await asyncio.sleep(0)
    assert lost(metrics) == 1


async def test_half_a_record_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.jsonl"
    sink = FileSink(path, survives_power_loss=False)
    sink.write(b"whole\n")
    real = os.write

    def write_half(descriptor: int, data: Any) -> int:
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[: len(data) - 2])

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(OSError, match="No space"):
        sink.write(b"half a record\n")
    monkeypatch.undo()
    assert path.read_bytes() == b"whole\n"
    sink.write(b"next\n")
    assert path.read_bytes() == b"whole\nnext\n"
    sink.close()


async def test_a_pipe_that_nobody_reads_holds_up_no_call_until_the_room_is_used(metrics: Metrics) -> None:
    sink = HeldSink()
    log = open_log(sink, metrics, capacity=5)
    for _ in range(5):
        await log.write(RECORD, soon(0.2))
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon(0.2))
    assert lost(metrics) == 1
    sink.free.set()
    while not sink.groups:
        await asyncio.sleep(0.01)
    await log.write(RECORD, soon())
    await log.close()
    assert b"".join(sink.groups).count(b"\n") == 6


async def test_the_room_is_used_and_records_may_be_dropped(metrics: Metrics) -> None:
    sink = HeldSink()
    log = open_log(sink, metrics, capacity=2, when_full="drop")
    for _ in range(5):
        await log.write(RECORD, soon(0.2))
    assert lost(metrics) == 3
    sink.free.set()
    await log.close()


async def test_a_sink_that_stands_still_does_not_keep_the_gateway_from_stopping(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.record_writer.CLOSE_S", 0.05)
    sink = HeldSink()
    log = open_log(sink, metrics)
    await log.write(RECORD, soon())
    await log.close()
    assert lost(metrics) == 1
    sink.free.set()


async def test_a_call_waits_no_longer_than_it_may(metrics: Metrics) -> None:
    sink = HeldSink()
    sink.is_durable = True
    log = open_log(sink, metrics)
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon(0.05))
    sink.free.set()
    await log.close()


async def test_a_caller_that_goes_away_leaves_its_record(metrics: Metrics) -> None:
    sink = HeldSink()
    sink.is_durable = True
    log = open_log(sink, metrics)
    call = asyncio.create_task(log.write(RECORD, soon()))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    sink.free.set()
    await log.close()
    assert sink.groups == [json.dumps(RECORD, separators=(",", ":")).encode() + b"\n"]


async def test_whatever_a_sink_raises_no_call_waits_for_ever(metrics: Metrics) -> None:
    log = open_log(BadSink(), metrics)
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon())
    await log.close()


async def test_standard_output_gets_lines(metrics: Metrics) -> None:
    reading, writing = os.pipe()
    log = open_log(StdoutSink(writing), metrics)
    await log.write(RECORD, soon())
    await log.close()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read()) == RECORD


async def test_no_sink_keeps_nothing(metrics: Metrics) -> None:
    log = open_log(None, metrics)
    assert not log.is_kept
    await log.write(RECORD, soon())
    await log.close()


async def test_a_broken_standard_output_refuses_calls(metrics: Metrics) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = open_log(StdoutSink(writing), metrics)
    await log.write(RECORD, soon())  # nobody knows yet
    while not lost(metrics):
        await asyncio.sleep(0.01)
    with pytest.raises(GatewayError, match="could not be recorded"):
        await log.write(RECORD, soon())
    await log.close()
    os.close(writing)


async def test_a_mended_sink_is_found(metrics: Metrics) -> None:
    sink = HeldSink()
    sink.free.set()
    log = open_log(sink, metrics)
    log._is_failing = True  # noqa: SLF001 - the last write failed
    await log.write(RECORD, soon())
    assert not log._is_failing  # noqa: SLF001
    await log.close()
