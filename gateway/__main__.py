"""`python -m gateway` is the command `baremetal-gateway`.

Signals come first: what a gateway is made of takes most of a second to import, and
a signal in that time would kill the process.
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
    """Take signals until the gateway does.

    A reload is not needed before any file was read. To stop, there is nothing to end in order before calls
    are taken; an exception could be lost in what is being imported.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
