"""The command `doctor`. Exit codes: 0 no finding, 1 a finding, 2 a configuration that cannot be read."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    WRONG_CONFIGURATION,
    config_option,
    exit_on_faults,
    import_telemetry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.cli.doctor.checks import Diagnosis

_GRACE_S = 1.0
"""The time after the total time in which the process must have ended, in seconds."""


@click.command()
@config_option
@click.option(
    "--timeout",
    "timeout_s",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.5, 600),
    help="Maximum time for all checks together, in seconds.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object on each line.")
def doctor(file: Path | None, timeout_s: float, *, is_json: bool) -> None:
    """Find out what is wrong with a gateway, and how to fix it. Nothing is changed.

    Checks the configuration, files and their permissions, certificates, the bundle, the ledger, each upstream
    by a TLS and gRPC exchange, credentials, callers, clocks, the store of the limits, the collector, and the
    addresses of the listeners. Ends with 1 if there is a finding, and with 2 if the configuration cannot be
    read.
    """
    import asyncio

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # the results say the same in plain words
    import_telemetry()
    from gateway.cli.doctor.checks import Diagnosis
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.output import print_results
    from gateway.config.load import load_with_origins

    with exit_on_faults(WRONG_CONFIGURATION):
        config, origins = load_with_origins(file, os.environ)
    examination = Examination(config=config, origins=origins, file=file, environment=os.environ)
    diagnosis = Diagnosis()
    ending = _Ending(diagnosis, lambda: print_results(diagnosis.results, is_json=is_json))

    async def run() -> None:
        await diagnosis.run(examination, timeout_s)
        ending.finish()

    with ending.within(timeout_s):
        asyncio.run(run())
    sys.exit(ending.finish())


class _Ending:
    """Prints the results once, and ends the process in time.

    A file system or a name server that does not respond can block a thread, and Python waits for its threads.
    """

    def __init__(self, diagnosis: Diagnosis, show: Callable[[], None]) -> None:
        self._diagnosis = diagnosis
        self._show = show
        self._lock = threading.Lock()
        self._code: int | None = None

    def finish(self) -> int:
        """Print the results if this was not done yet, and return the exit code."""
        with self._lock:
            if self._code is None:
                self._code = FOUND_FAULTS if self._diagnosis.has_findings else 0
                self._show()
            return self._code

    @contextmanager
    def within(self, timeout_s: float) -> Iterator[None]:
        """End the process if the block does not end soon after a time."""
        timer = threading.Timer(timeout_s + _GRACE_S, self._end, [timeout_s])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self, timeout_s: float) -> None:
        if self._code is None:
            self._diagnosis.close(timeout_s)
        code = self.finish()
        sys.stdout.flush()
        os._exit(code)
