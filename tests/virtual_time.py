"""An event loop whose clock advances only when nothing else is left to do.

So a test of waits takes no time, and its result does not depend on the speed of the machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Advances the clock of the loop instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        assert found or timeout is not None, "the test waits for something that does not come"
        if not found and timeout:
            self.now += timeout
        return found


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_virtual(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test in a loop with virtual time, and return its result."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(test())
