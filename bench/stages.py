"""The time of each stage of a call: `python -m bench.stages`.

All stages run in this process, on one create over REST with three labels, with the bundle that ships; a rule
that only warns is broken. Batches of the stages take turns. The time is the CPU time of the process, so that
the threads that write records and export spans are part of it, and other processes are not. A figure is the
median of the batches, with the first and the third quartile.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.document import markdown_table, replace_block
from bench.results import figure
from bench.stage_calls import StageCalls

if TYPE_CHECKING:
    from bench.results import Figure
    from bench.stage_calls import Batch

PAUSE_S = 0.002  # between batches, for what was handed to threads


async def measure(batches: int, calls: int) -> dict[str, Figure]:
    """Return the microseconds of each stage for one call.

    Args:
        batches: of each stage.
        calls: in a batch.
    """
    parts = StageCalls()
    stages = parts.stages()
    times: dict[str, list[float]] = {name: [] for name in stages}
    try:
        for batch in stages.values():
            await _run(batch, calls)
        gc.collect()
        gc.freeze()
        for _ in range(batches):
            for name, batch in stages.items():
                times[name].append(await _run(batch, calls))
    finally:
        gc.unfreeze()
        await parts.close()
    return {name: figure(values) for name, values in times.items()}


async def _run(batch: Batch, calls: int) -> float:
    """Return the microseconds of one call of a batch."""
    started = time.process_time_ns()
    await batch(calls)
    taken = time.process_time_ns() - started
    await asyncio.sleep(PAUSE_S)
    return taken / calls / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stages", description=__doc__)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--calls", type=int, default=200, help="in a batch")
    parser.add_argument("--document", type=Path, help="the file to write; printed only when not given")
    options = parser.parse_args()
    figures = uvloop.run(measure(options.batches, options.calls))
    rows = [[name, one.show(1)] for name, one in figures.items()]
    table = "\n".join(markdown_table(["stage", "µs"], rows))
    print(table)
    if options.document is not None:
        replace_block(options.document, "stages", table)


if __name__ == "__main__":
    main()
