"""The entry point of `python -m gateway` and of the command `baremetal-gateway`.

The signal handlers are set before the other modules of the gateway are imported. This import takes half a
second. Without the handlers, a signal during the import would kill the process.

Garbage collection is off during the start. Hardly anything that is made then is dropped, and the collections
would take a tenth of the start. `gateway.process` turns garbage collection on when the gateway has started.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SERVING = ("serve", "demo")


def main() -> None:
    """Run the command that the command line names."""
    if sys.argv[1:2] and sys.argv[1] in _SERVING:
        _prepare_signals()
        gc.disable()
    from gateway.cli.program import main as run  # noqa: PLC0415 - after the signals

    run()


def _prepare_signals() -> None:
    """Handle signals until the gateway sets its own handlers.

    SIGHUP is ignored, because no policy was read yet. SIGTERM and SIGINT end the process at once, because no
    call was accepted yet. The handler raises no exception, because a module that is being imported could
    catch the exception.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
