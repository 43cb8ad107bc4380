"""The worker: claims calls that need further work, and settles them or follows their operations."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gateway.ledger.batch import StoreError
from gateway.ledger.manual_settlement import SettlementError, make_settlement
from gateway.ledger.requests import take_requests

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.ledger.work import OpenCall, Work
    from gateway.ledger.writer import LedgerWriter
    from gateway.operations.following import Follower
    from gateway.operations.settlement import Settler
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

INTERVAL_S = 0.5
"""The time between two looks for calls that are due, in seconds."""
CONCURRENCY = 64
"""The maximum number of calls that one replica works on at the same time."""
MOST_SETTLING = 48
"""The maximum number of these calls that are settled, so that operations are polled too."""
COUNT_S = 5.0
"""The time between two counts of open calls for the metrics, in seconds."""
_AFTER_FAULT_S = 10.0
_REQUEST = ("settle", "outcome", "reason", "user")


class Worker:
    """Works on open calls until it is cancelled."""

    def __init__(
        self,
        work: Work,
        writer: LedgerWriter,
        settler: Settler,
        follower: Follower,
        metrics: Metrics,
        longest_s: float,
        requests: Path | None = None,
    ) -> None:
        """Initialize the worker.

        Args:
            work: the open calls.
            writer: the writer of the ledger.
            settler: the settler of changes.
            follower: the follower of operations.
            metrics: the metrics that show the numbers of open calls.
            longest_s: a time that is longer than any work on a call, in seconds.
            requests: the SQLite file whose folder of requests operators use; None if the ledger is no file.
        """
        self._work = work
        self._writer = writer
        self._settler = settler
        self._follower = follower
        self._metrics = metrics
        self._longest_s = longest_s
        self._requests = requests
        self.open_calls: tuple[int, int, int] | None = None
        self._released: list[tuple[OpenCall, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Claim calls and work on them. This coroutine runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        count_at = loop.time()
        try:
            while True:
                is_busy = False
                if not self._writer.is_failing:
                    try:
                        await self._release()
                        is_busy = await self._claim()
                        await self._settle_by_operators()
                        if loop.time() >= count_at:
                            count_at = loop.time() + COUNT_S
                            await self._look_after_all()
                    except StoreError as error:
                        _log.debug("open calls cannot be read", extra={"reason": error.reason})
                    except Exception:  # noqa: BLE001 - the work on the other calls must go on
                        _log.exception("work on open calls failed")
                await self._pause(is_busy=is_busy)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _look_after_all(self) -> None:
        """Count the open calls for the metrics, and give up those that nobody works on any more."""
        abandoned = await self._work.release_abandoned(self._longest_s)
        if abandoned:
            _log.warning("calls were held without work on them", extra={"calls": abandoned})
        self.open_calls = await self._work.count_open()
        self._metrics.show_open_calls(*self.open_calls)

    async def _pause(self, *, is_busy: bool) -> None:
        """Wait until the next look. If more calls are due, wait only until half of the work is done."""
        wait_until = asyncio.get_running_loop().time() + INTERVAL_S
        while is_busy and len(self._tasks) > CONCURRENCY // 2:
            left_s = wait_until - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            await asyncio.wait(self._tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if not is_busy:
            await asyncio.sleep(INTERVAL_S)

    async def _claim(self) -> bool:
        """Claim calls that are due. Return whether more calls may be due."""
        free = CONCURRENCY - len(self._tasks)
        if free <= 0:
            return True
        to_settle = max(0, MOST_SETTLING - len(self._settling))
        claimed = await self._work.claim(free, to_settle)
        for call in claimed:
            task = asyncio.create_task(self._handle(call))
            for tasks in (self._tasks, self._settling) if call.is_unsettled else (self._tasks,):
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        return len(claimed) >= min(free, to_settle)

    async def _release(self) -> None:
        """Give up the calls whose work is to go on later."""
        released, self._released = self._released, []
        if not released:
            return
        try:
            await self._work.release(released)
        except StoreError:
            self._released += released
            raise

    async def _settle_by_operators(self) -> None:
        """Settle the calls that operators have asked to settle."""
        if self._requests is None:
            return
        for request in take_requests(self._requests):
            try:
                key, outcome, reason, user = (str(request.get(name, "")) for name in _REQUEST)
                entry = await make_settlement(self._work, key, outcome, reason, user)
            except SettlementError as error:
                _log.warning("settlement by an operator refused", extra={"reason": str(error)})
                continue
            self._writer.add(entry)
            self._metrics.record_settlement(outcome, "operator")
            _log.info("change settled", extra={"id": key, "outcome": outcome, "by": "operator", "user": user})

    async def _handle(self, call: OpenCall) -> None:
        try:
            handle = self._settler.settle if call.is_unsettled else self._follower.poll
            after_s = await handle(call)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - one call must not stop the work on the others
            _log.exception("work on a call failed", extra={"call_id": call.call_id, "method": call.method})
            after_s = _AFTER_FAULT_S
        if after_s is not None:
            self._released.append((call, after_s))
