"""Files are loaded again when they have changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.faults import Fault, FaultsError, Position
from gateway.telemetry import Health, Status
from gateway.watching import FileWatch


class _Part:
    """Loads one file, and refuses the text `bad`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loaded: list[str] = []

    def load(self) -> None:
        text = self.path.read_text() if self.path.exists() else "bad"
        if text == "bad":
            raise FaultsError([Fault(Position(str(self.path)), "key", "is bad")])
        self.loaded.append(text)


def _condition(health: Health) -> tuple[str, str]:
    (one,) = health.conditions
    return one.status, one.reason


def test_only_changed_files_are_loaded(tmp_path: Path) -> None:
    part, health = _Part(tmp_path / "file"), Health()
    part.path.write_text("one")
    watch = FileWatch("part", [part.path], part.load, health)
    watch.look()
    assert part.loaded == []
    part.path.write_text("second")
    watch.look()
    watch.look()
    assert part.loaded == ["second"]
    assert _condition(health) == ("ok", "")


def test_a_replaced_symbolic_link_is_a_change(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("a")
    part = _Part(link / "file")
    watch = FileWatch("part", [part.path], part.load, Health())
    link.unlink()
    link.symlink_to("b")
    watch.look()
    assert part.loaded == ["b"]


def test_faults_keep_what_was_loaded_and_are_tried_again(tmp_path: Path) -> None:
    part, health = _Part(tmp_path / "file"), Health()
    part.path.write_text("one")
    watch = FileWatch("part", [part.path], part.load, health)
    part.path.write_text("bad")
    watch.look()
    status, reason = _condition(health)
    assert status == "degraded"
    assert "is bad" in reason
    part.path.unlink()
    watch.look()
    assert part.loaded == []
    part.path.write_text("good")
    watch.look()
    assert part.loaded == ["good"]
    assert _condition(health) == ("ok", "")


def test_what_is_loaded_may_become_invalid_with_time(tmp_path: Path) -> None:
    part, health = _Part(tmp_path / "file"), Health()
    part.path.write_text("one")
    state = (Status.OK, "")
    watch = FileWatch("part", [part.path], part.load, health, lambda: state)
    state = (Status.DEGRADED, "is out of date")
    watch.look()
    assert _condition(health) == state
    part.path.write_text("bad")
    watch.look()
    assert "is bad" in _condition(health)[1]
    part.path.write_text("good")
    watch.look()
    assert _condition(health) == state


async def test_a_failure_of_the_gateway_itself_does_not_end_the_watch(
    tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    health, failures = Health(), 0

    def load() -> None:
        nonlocal failures
        failures += 1
        raise ZeroDivisionError

    watch = FileWatch("part", [tmp_path / "file"], load, health)
    (tmp_path / "file").write_text("one")
    running = asyncio.create_task(watch.run(0.001))
    async with asyncio.timeout(5):
        while failures < 3:
            await asyncio.sleep(0.001)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert _condition(health) == ("degraded", "an internal error prevents the reload; see the log")
    assert "ZeroDivisionError" in str(logs.records[0].exc_info)


async def test_the_watch_runs_until_it_is_cancelled(tmp_path: Path) -> None:
    part = _Part(tmp_path / "file")
    part.path.write_text("one")
    running = asyncio.create_task(FileWatch("part", [part.path], part.load, Health()).run(0.01))
    part.path.write_text("second")
    async with asyncio.timeout(5):
        while not part.loaded:
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert part.loaded == ["second"]
