"""The queue of log lines, on real pipes and files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.log_writer import LogWriter

PIPE_BYTES = 65536
LINE = b"x" * 99 + b"\n"


def notice(count: int) -> bytes:
    return f"{count} dropped\n".encode()


@dataclass
class Pipe:
    reading: int
    writing: int

    def read_all(self) -> bytes:
        """Read to the end, once nobody writes any more."""
        os.close(self.writing)
        with os.fdopen(self.reading, "rb") as file:
            return file.read()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe(*os.pipe())
    yield one
    for descriptor in (one.reading, one.writing):
        with suppress(OSError):
            os.close(descriptor)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def fill(writer: LogWriter, count: int) -> None:
    for _ in range(count):
        writer.put(LINE)


def read_to_end(descriptor: int, read: list[bytes]) -> None:
    while part := os.read(descriptor, 9999):
        read.append(part)


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, notice)
    for number in range(100):
        writer.put(f"{number}\n".encode())
    writer.close()
    assert pipe.read_all() == b"".join(f"{number}\n".encode() for number in range(100))
    assert not writer.dropped


def test_a_line_after_a_pause_is_written_by_itself(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, notice, gather_s=0.001)
    for number in range(20):
        writer.put(b"%d\n" % number)
        assert os.read(pipe.reading, 100) == b"%d\n" % number
        time.sleep(0.002 * (number % 3))
    writer.close()


def test_lines_that_come_together_are_written_together(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        sizes.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    writer = LogWriter(pipe.writing, notice, gather_s=60)
    writer.put(LINE)
    wait_for(lambda: sizes)
    fill(writer, 50)
    writer.close()
    assert sizes == [len(LINE), 50 * len(LINE)]


def test_a_reader_that_stands_still_blocks_nobody_and_what_is_lost_is_counted(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, notice, capacity_bytes=10 * len(LINE))
    fill(writer, 3 * PIPE_BYTES // len(LINE))  # returns, although nobody reads
    dropped = writer.dropped
    assert dropped
    read: list[bytes] = []
    reader = threading.Thread(target=read_to_end, args=(pipe.reading, read))
    reader.start()
    writer.close(30)
    os.close(pipe.writing)
    reader.join(30)
    lines = b"".join(read).splitlines(keepends=True)
    told = [int(line.split()[0]) for line in lines if line != LINE]
    assert sum(told) == dropped
    assert len(lines) - len(told) + dropped == 3 * PIPE_BYTES // len(LINE)


def test_a_reader_that_stands_still_does_not_hold_up_the_end(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, notice)
    fill(writer, 2 * PIPE_BYTES // len(LINE))
    writer.close(0.05)
    writer.put(LINE)
    assert writer.dropped == 1


def test_a_reader_that_went_away_ends_nothing(pipe: Pipe) -> None:
    os.close(pipe.reading)
    writer = LogWriter(pipe.writing, notice)
    writer.put(LINE)
    wait_for(lambda: writer.dropped == 1)
    writer.close()


def test_a_full_disk_is_told_of_once_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    real = os.write
    is_full = True

    def write(descriptor: int, data: Any) -> int:
        if is_full and len(data) < 50:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[:60] if is_full else data)

    monkeypatch.setattr(os, "write", write)
    with path.open("wb") as file:
        writer = LogWriter(file.fileno(), notice, gather_s=0.001)
        writer.put(LINE)
        wait_for(lambda: writer.dropped == 1)
        is_full = False
        writer.put(LINE)
        writer.close()
    assert path.read_bytes().splitlines(keepends=True) == [LINE[:60] + b"\n", LINE, b"1 dropped\n"]


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = LogWriter(pipe.writing, notice)
    count = 3 * PIPE_BYTES // len(LINE)
    fill(writer, count)
    read = bytearray()
    while len(read) < count * len(LINE):
        read += os.read(pipe.reading, 9999)
    writer.close()
    assert not writer.dropped
