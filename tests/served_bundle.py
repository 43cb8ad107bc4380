"""A gateway with a bundle of its own: files to change, creates, and what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import GOOD_IMAGE, IMAGES, Running


def write(path: Path, *documents: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "bundle.yaml").write_text("".join(documents))
    return path


def alter(file: Path) -> None:
    file.write_text(f"{file.read_text()}# altered\n")


async def create(running: Running, **changes: Any) -> tuple[int, Any]:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | changes) as answer:
        return answer.status, await answer.json()


async def ready(running: Running) -> dict[str, Any]:
    async with running.client.get(running.admin("/readyz")) as answer:
        return dict(await answer.json())


def metric(running: Running, name: str) -> str:
    lines = running.metrics.expose().decode().splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(name)), "")


def last_good_options(bundle: Path, kept: Path) -> dict[str, Any]:
    """Return the options of a gateway that keeps the last good bundle in a file."""
    return {"policies__path": bundle, "policies__on_error": "last_good", "policies__last_good": kept}
