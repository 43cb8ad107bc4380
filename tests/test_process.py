"""Signals that arrive while a real process starts or stops."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import process as gateway_process
from gateway.app import Addresses, Gateway
from gateway.bundles import read_bundle
from tests.conftest import ROOT, make_config
from tests.processes import COMMAND, free_ports, process_environment

SCRIPT = [str(Path(sys.executable).parent / "baremetal-gateway")]
DEADLINE_S = 60

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")


@contextmanager
def starting(command: Sequence[str], *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a gateway; yield it, with its /readyz, as soon as its own code runs."""
    ports = free_ports()
    process = subprocess.Popen(
        [*command, *words],
        cwd=ROOT,
        env=process_environment(ports),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: is_prepared(process) or is_importing(process), process)
        yield process, f"http://{ports['GATEWAY__ADMIN__LISTEN']}/readyz"
    finally:
        process.kill()
        process.communicate()


def is_prepared(process: subprocess.Popen[str]) -> bool:
    """Tell whether a process ignores or catches SIGHUP, and catches SIGTERM."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = {
        name: int(mask, 16) for name, mask in re.findall(r"^(SigIgn|SigCgt):\t(\w+)$", status, re.MULTILINE)
    }
    hangup, end = (1 << (number - 1) for number in (signal.SIGHUP, signal.SIGTERM))
    return bool((masks["SigIgn"] | masks["SigCgt"]) & hangup and masks["SigCgt"] & end)


def is_importing(process: subprocess.Popen[str]) -> bool:
    """Tell whether a process imports what a gateway is made of: that takes most of its start."""
    return "pydantic_core" in Path(f"/proc/{process.pid}/maps").read_text()


def until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("command", [COMMAND, SCRIPT], ids=["module", "script"])
def test_sighup_during_the_start_ends_nothing(command: Sequence[str]) -> None:
    with starting(command, "demo") as (process, url):
        deadline = time.monotonic() + DEADLINE_S
        while not is_ready(url):
            for _ in range(10):
                process.send_signal(signal.SIGHUP)
                time.sleep(0.002)
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.5, 0.8, 1.2])
def test_a_start_that_is_stopped_ends_with_0(number: signal.Signals, delay_s: float) -> None:
    with starting(COMMAND, "serve", "--config", "deploy/gateway.yaml") as (process, _):
        time.sleep(delay_s)  # wherever the start is by then
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, err
    assert "Traceback" not in err


def test_other_commands_end_with_a_signal_as_any_process(tmp_path: Path) -> None:
    """A check that runs in a terminal ends with it."""
    pipe = tmp_path / "records"
    os.mkfifo(pipe)
    words = ["policy", "replay", str(pipe), "--bundle", "policies"]
    process = subprocess.Popen([*COMMAND, *words], cwd=ROOT, text=True)
    try:
        # The command waits for the first record before it imports what it needs for decisions.
        until(lambda: "termios" in Path(f"/proc/{process.pid}/maps").read_text(), process)
        process.send_signal(signal.SIGTERM)  # not SIGHUP: under nohup it is ignored from the start
        assert process.wait(DEADLINE_S) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """Restore the handlers of signals, which are ignored after a stop, and garbage collection."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    thresholds = gc.get_threshold()
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("kept_signals")
async def test_a_reload_that_is_requested_during_the_start_happens_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))

    class Hurried(Gateway):
        """The bundle changes once it has been read, and the signal comes before the gateway serves."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            (bundle / "naming.yaml").write_text((bundle / "naming.yaml").read_text() + "# changed\n")
            os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(gateway_process, "Gateway", Hurried)
    started: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    config = make_config("127.0.0.1:1", policies__path=bundle)
    serving = asyncio.create_task(
        gateway_process.serve(config, {"OTEL_SDK_DISABLED": "true"}, started.set_result)
    )
    gc.disable()  # as the command does
    async with asyncio.timeout(DEADLINE_S):
        addresses = await started
    assert (gc.isenabled(), gc.get_threshold()[0]) == (True, gateway_process.COLLECT_AFTER)
    expected = read_bundle(bundle).hash
    async with aiohttp.ClientSession() as client, asyncio.timeout(DEADLINE_S):
        facts: dict[str, object] = {}
        while facts.get("bundle") != expected:
            async with client.get(f"http://{addresses.admin}/readyz") as answer:
                facts = await answer.json()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_further_signals_while_it_stops_change_nothing(number: signal.Signals) -> None:
    with starting(SCRIPT, "demo") as (process, ready):
        until(lambda: is_ready(ready), process)
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE_S
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(number)  # again and again: the end takes a moment
            time.sleep(0.002)
        assert process.returncode == 0, (process.returncode, process.communicate())


_COLLECTING = """
import gc, sys, types
sys.modules["gateway.cli.program"] = program = types.ModuleType("program")
program.main = lambda: print(gc.isenabled())
from gateway.__main__ import main
main()
"""


@pytest.mark.parametrize(("command", "expected"), [("serve", "False"), ("policy", "True")])
def test_garbage_is_not_collected_while_a_gateway_starts(command: str, expected: str) -> None:
    run = [sys.executable, "-c", _COLLECTING, command]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    assert done.stdout == f"{expected}\n"


_FREEZING = """
import gc, weakref
from gateway.process import freeze_objects

class Cycle:
    def __init__(self):
        self.own = self

kept, garbage = Cycle(), Cycle()
references = weakref.ref(kept), weakref.ref(garbage)
del garbage
freeze_objects()
print(gc.get_freeze_count() > 10_000, [one() is None for one in references])
del kept
gc.collect()
print([one() is None for one in references])
freeze_objects()
print([one() is None for one in references])
"""


def test_frozen_objects_are_collected_when_objects_are_frozen_again() -> None:
    printed = subprocess.run([sys.executable, "-c", _FREEZING], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines() == ["True [False, True]", "[False, True]", "[True, True]"]
