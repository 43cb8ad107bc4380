"""The command of `make chaos`."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from tests.chaos.kills import kill_again_and_again
from tests.postgres import PostgresServer


def main() -> None:
    """Run the experiments, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    arguments = parser.parse_args()
    for database in ("sqlite", "postgresql"):
        if arguments.database in {database, "both"}:
            print(f"{database}: {arguments.kills} kills under {arguments.callers} callers", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                figures = _run(database, Path(folder), arguments)
            print(json.dumps(figures), flush=True)


def _run(database: str, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    options = {"kills": arguments.kills, "callers": arguments.callers, "seed": arguments.seed}
    if database == "sqlite":
        return asyncio.run(kill_again_and_again(folder, f"sqlite:///{folder}/ledger.db", **options))
    return asyncio.run(_run_with_postgres(folder, options))


async def _run_with_postgres(folder: Path, options: dict[str, int]) -> dict[str, object]:
    server = PostgresServer()
    try:
        server.start(fsync="on")
        return await kill_again_and_again(folder, await server.create_database(), **options)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
