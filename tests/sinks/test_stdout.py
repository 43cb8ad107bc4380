"""Records on standard output."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.errors import GatewayError
from gateway.sinks.stdout import StdoutSink
from gateway.telemetry import Metrics
from tests.audit.writing import RECORD, lost, open_log, soon


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


async def test_standard_output_gets_lines(metrics: Metrics) -> None:
    reading, writing = os.pipe()
    log = open_log(StdoutSink(writing), metrics)
    await log.write(RECORD, soon())
    await log.close()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read()) == RECORD


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


def test_a_non_blocking_pipe_gets_whole_records() -> None:
    """Another process that shares standard output can make it non-blocking."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink, line = StdoutSink(writer), b"x" * 999 + b"\n"
    received = bytearray()

    def read() -> None:
        while data := os.read(reader, 4096):
            received.extend(data)

    thread = threading.Thread(target=read)
    writing = threading.Thread(target=sink.write, args=[line * 500])
    writing.start()
    thread.start()
    writing.join(20)
    os.close(writer)
    thread.join(20)
    os.close(reader)
    assert bytes(received) == line * 500


def test_a_record_after_a_torn_one_starts_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    sink, write = StdoutSink(writer), os.write

    def fail(_: int, data: memoryview) -> int:
        if len(data) < 8:
            raise OSError(32, "Broken pipe")
        return write(writer, data[:4])

    monkeypatch.setattr("gateway.sinks.stdout.os.write", fail)
    with pytest.raises(OSError, match="Broken pipe"):
        sink.write(b'{"a":1}\n')
    monkeypatch.undo()
    sink.write(b'{"b":2}\n')
    assert os.read(reader, 100).splitlines()[-1] == b'{"b":2}'
    for one in (reader, writer):
        os.close(one)
