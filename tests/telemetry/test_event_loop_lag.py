"""The lag of the event loop."""

from __future__ import annotations

import time

from gateway.telemetry import EventLoopLag
from tests.waiting import wait_for


async def test_what_occupies_the_event_loop_is_lag() -> None:
    seen: list[float] = []
    lag = EventLoopLag(seen.append, 0.01)
    lag.start()
    await wait_for(lambda: len(seen) >= 2)
    time.sleep(0.15)
    await wait_for(lambda: max(seen) >= 0.13)
    lag.stop()
    lag.stop()
    assert min(seen) >= 0
