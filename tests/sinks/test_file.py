"""Records in a file."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.errors import GatewayError
from gateway.sinks.file import FileSink
from gateway.telemetry import Metrics
from tests.audit.writing import RECORD, open_log, soon


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Resource.create())


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


def test_a_record_after_a_crash_starts_a_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2,"me')
    for number in (3, 4):
        sink = FileSink(path, survives_power_loss=False)
        sink.write(b'{"n":%d}\n' % number)
        sink.close()
    assert path.read_bytes().splitlines() == [b'{"n":1}', b'{"n":2,"me', b'{"n":3}', b'{"n":4}']
