"""Runs all checks at the same time, within a total time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.cli.doctor.callers import check_callers
from gateway.cli.doctor.certificates import check_certificates
from gateway.cli.doctor.clock import check_clock
from gateway.cli.doctor.collector import check_collector
from gateway.cli.doctor.configuration import check_configuration
from gateway.cli.doctor.credentials import check_credentials
from gateway.cli.doctor.files import check_files
from gateway.cli.doctor.ledger import check_ledger
from gateway.cli.doctor.limits import check_limits
from gateway.cli.doctor.listeners import check_listeners
from gateway.cli.doctor.report import CheckReport, CheckStatus
from gateway.cli.doctor.upstreams import check_upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.cli.doctor.examination import Check, Examination
    from gateway.cli.doctor.report import CheckResult

CHECKS: Mapping[str, Check] = {
    "configuration": check_configuration,
    "files": check_files,
    "certificates": check_certificates,
    "ledger": check_ledger,
    "upstreams": check_upstreams,
    "credentials": check_credentials,
    "callers": check_callers,
    "clock": check_clock,
    "limits": check_limits,
    "collector": check_collector,
    "listeners": check_listeners,
}
"""The checks by their names, in the order of the output."""

# The part of the total time that one step may take. A check has at most three steps that wait for a peer.
_STEP = 0.3
_MIN_STEP_S = 0.1


@dataclass(slots=True)
class Diagnosis:
    """The reports of all checks. They can be read while the checks run.

    Attributes:
        reports: the reports, in the order of the output.
    """

    reports: list[CheckReport] = field(default_factory=lambda: [CheckReport(name) for name in CHECKS])
    _ended: set[str] = field(default_factory=set)

    @property
    def results(self) -> list[CheckResult]:
        """The results of all checks."""
        return [result for report in self.reports for result in report.results]

    @property
    def has_findings(self) -> bool:
        """Whether there is a finding."""
        return any(one.status is CheckStatus.FINDING for one in self.results)

    async def run(self, examination: Examination, timeout_s: float) -> None:
        """Run all checks. The results of a check that does not end in time are kept.

        Args:
            examination: what to examine. Its `step_s` is replaced.
            timeout_s: the maximum time for all checks together, in seconds.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        first, *others = self.reports
        with _without_logs():
            # It uses the processor and waits for nothing, so the time of the others begins after it.
            await self._run_one(examination, first)
            left_s = max(deadline - loop.time(), _MIN_STEP_S)
            examination = replace(examination, step_s=max(left_s * _STEP, _MIN_STEP_S))
            tasks = [asyncio.create_task(self._run_one(examination, report)) for report in others]
            _, running = await asyncio.wait(tasks, timeout=left_s)
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running, timeout=_MIN_STEP_S)
        self.close(timeout_s)

    async def _run_one(self, examination: Examination, report: CheckReport) -> None:
        try:
            await CHECKS[report.check](examination, report)
        except Exception as error:  # noqa: BLE001 - the other checks go on, and the command has a result
            report.find(
                report.check,
                f"the check itself has failed: {type(error).__name__}",
                "report this as a fault of the gateway; the other checks are complete",
            )
        self._ended.add(report.check)

    def close(self, timeout_s: float) -> None:
        """Add a finding for each check that has not ended."""
        for report in self.reports:
            if report.check not in self._ended:
                self._ended.add(report.check)
                report.find(
                    report.check,
                    f"the check did not end within {timeout_s:g} s",
                    "find out which of its peers or file systems does not respond, or give more time with "
                    "--timeout",
                )


@contextmanager
def _without_logs() -> Iterator[None]:
    """Let no log line reach standard error, because the results say the same in plain words."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
