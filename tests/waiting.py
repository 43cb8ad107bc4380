"""Waiting until a condition holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GENEROUS_S = 60
"""Longer than any condition takes on a slow machine; a test that waits so long has failed."""


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while not condition():
            await asyncio.sleep(0.01)
