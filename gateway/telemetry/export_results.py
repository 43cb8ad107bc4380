"""How the exports of traces and metrics to the collector have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OK, FAILED = "ok", "failed"


class ExportResults:
    """The numbers of exports of each signal, and whether the last export has failed.

    Each signal is exported by one thread, and only this thread counts its exports. Any thread may read.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._has_failed: dict[str, bool] = {}

    def expect(self, signal: str) -> None:
        """Show the counts of a signal from the start. A rate needs the value before the first failure."""
        for outcome in (OK, FAILED):
            self._counts[signal, outcome] = 0
        self._has_failed[signal] = False

    def note(self, signal: str, *, is_good: bool) -> None:
        """Count an export."""
        key = (signal, OK if is_good else FAILED)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._has_failed[signal] = not is_good

    @property
    def failing(self) -> list[str]:
        """The signals whose last export has failed."""
        return sorted(signal for signal, has_failed in self._has_failed.copy().items() if has_failed)

    def observe(self) -> Iterator[tuple[float, tuple[str, str]]]:
        """Yield the number of exports of each signal and outcome."""
        for key, count in self._counts.copy().items():
            yield count, key
