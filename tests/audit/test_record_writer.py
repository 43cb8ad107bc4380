"""Records on their way to a sink, and what happens to calls when it fails."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.audit.record_writer import RecordWriter
from gateway.errors import Code, GatewayError
from gateway.sinks.file import FileSink
from gateway.sinks.stdout import StdoutSink
from gateway.telemetry import Health, Metrics
from tests.audit.writing import FULL, RECORD, BadSink, HeldSink, lost, open_log, soon


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


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


async def test_many_callers_write_whole_lines(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics, capacity=1000)
    await asyncio.gather(*(log.write({"id": number}, soon()) for number in range(500)))
    await log.close()
    assert sorted(json.loads(line)["id"] for line in path.read_text().splitlines()) == list(range(500))


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


async def test_no_sink_keeps_nothing(metrics: Metrics) -> None:
    log = open_log(None, metrics)
    assert not log.is_kept
    await log.write(RECORD, soon())
    await log.close()


async def test_a_mended_sink_is_found(metrics: Metrics) -> None:
    sink = HeldSink()
    sink.free.set()
    log = open_log(sink, metrics)
    log._is_failing = True  # noqa: SLF001 - the last write failed
    await log.write(RECORD, soon())
    assert not log._is_failing  # noqa: SLF001
    await log.close()


async def test_records_that_gather_do_not_fill_a_small_queue(metrics: Metrics) -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log = open_log(StdoutSink(descriptor), metrics, capacity=10)
    for _ in range(100):
        await log.write(RECORD, soon())
        await asyncio.sleep(0.001)
    assert lost(metrics) == 0
    await log.close()
    os.close(descriptor)


async def test_a_sink_that_does_not_respond_is_reported(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.record_writer.STALLED_S", 0.0)
    sink = HeldSink()
    sink.is_durable = True
    health = Health()
    log = RecordWriter(sink, metrics, health, capacity=10, when_full="refuse")
    with pytest.raises(GatewayError):
        await log.write(RECORD, soon(0.05))
    (condition,) = health.conditions
    assert (condition.status, condition.reason) == (
        "degraded",
        "calls are refused: the sink does not respond",
    )
    sink.free.set()
    await log.write(RECORD, soon())
    (condition,) = health.conditions
    assert condition.status == "ok"
    await log.close()


def fail_to_encode() -> bytes:
    raise RuntimeError("no such thing")


@pytest.mark.parametrize("is_durable", [True, False])
async def test_a_record_that_cannot_be_encoded_is_lost_alone(
    tmp_path: Path, metrics: Metrics, logs: pytest.LogCaptureFixture, *, is_durable: bool
) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=is_durable), metrics)
    writes = [log.write(one, soon()) for one in (lambda: b'{"id":1}', fail_to_encode, lambda: b'{"id":3}')]
    ended = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in ended] == [type(None), GatewayError, type(None)]
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [1, 3]
    assert lost(metrics) == 1
    (line,) = [one for one in logs.records if one.message == "record cannot be encoded"]
    assert line.exc_info is not None
    await log.write(lambda: b'{"id":4}', soon())
    assert path.read_text().endswith('{"id":4}\n')
    await log.close()


async def test_functions_of_many_records_are_called_in_order(tmp_path: Path, metrics: Metrics) -> None:
    path = tmp_path / "decisions.jsonl"
    log = open_log(FileSink(path, survives_power_loss=False), metrics, capacity=2000)
    for number in range(1000):
        await log.write(partial(str.encode, f'{{"id":{number}}}'), soon())
    await log.close()
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == list(range(1000))
