"""The progress of a command that takes longer than a second, on standard error."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

_Item = TypeVar("_Item")

DELAY_S = 1.0
"""The time after which the progress is shown, in seconds."""
_REFRESH_S = 0.1


class ProgressBar:
    """Shows the progress of a piece of work while a `with` block runs.

    Nothing is shown if standard error is not a terminal, or if the work ends within a second. The bar is
    removed when the block ends, so it is never mixed with what the command prints afterwards.

    Args:
        title: what is being done, such as `verifying events`.
        streams_output: whether the command writes to standard output in the block. Then nothing is shown if
            standard output is a terminal too.

    Attributes:
        done: the amount of work that is done.
        total: the whole amount of work; None if it is unknown.
        is_shown: whether the progress is shown, now or later. Otherwise there is no need to know the total.
    """

    def __init__(self, title: str, *, streams_output: bool = False) -> None:
        self.done = 0
        self.total: int | None = None
        self.is_shown = _is_terminal(sys.stderr) and not (streams_output and _is_terminal(sys.stdout))
        self._title = title
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self.is_shown:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ended.set()
        if self.is_shown:
            self._thread.join()

    def set(self, done: int, total: int | None) -> None:
        """Set the amount of work that is done, and the whole amount."""
        self.done, self.total = done, total

    def count(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items, and count each one as done when the next one is requested."""
        for item in items:
            yield item
            self.done += 1

    def _show(self) -> None:
        """Show the progress after a while, until the block ends. It runs in a thread of its own.

        So the bar moves while the command waits for a database. Only this thread uses rich.
        """
        if self._is_ended.wait(DELAY_S):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        if not console.is_interactive:  # such as TERM=dumb
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        # By default, rich would send what the command prints to standard error.
        progress = Progress(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = progress.add_task(self._title, total=None)
        with progress:
            while not self._is_ended.wait(_REFRESH_S):
                progress.update(task, completed=self.done, total=self.total, refresh=True)


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)  # a closed stream is None
    return isatty is not None and bool(isatty())
