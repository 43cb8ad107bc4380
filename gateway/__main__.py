"""The entry point of `python -m gateway` and of the command `baremetal-gateway`.

The signal handlers are set before the parts of the gateway are imported. The import takes most of a second,
and without the handlers a signal in that time would kill the process.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SERVING = ("serve", "demo")


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] and sys.argv[1] in _SERVING:
        _prepare_signals()
    from gateway.cli.program import main as run  # noqa: PLC0415 - after the signals

    run()


def _prepare_signals() -> None:
    """Handle signals until the gateway sets its own handlers.

    SIGHUP is ignored: no policy was read yet, so there is nothing to reload. SIGTERM and SIGINT end the
    process at once: no call was accepted yet, so nothing has to be closed in order. The handler raises no
    exception, because a module that is being imported could catch the exception.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
