"""Writes the files of a log to a folder, which a web server can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.tlog.tiles import CHECKPOINT_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write_tiles(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write the files of a log to a new or empty folder, or to the folder of a former export.

    Each file is replaced atomically: a reader finds the former content or the new one. The other files of a
    former export are kept, because its readers may still need them. The files are not synced to the disk.

    Args:
        folder: the folder. It is created if it does not exist.
        files: the relative path and the content of each file. They are written in this order.

    Raises:
        ValueError: the folder has files but no checkpoint, so it is not a former export.
        OSError: a file cannot be written.
    """
    _check_folder(folder)
    for path, data in files:
        _replace(folder / path, data)


def _check_folder(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / CHECKPOINT_PATH).is_file():
        raise ValueError(
            f"{folder} is not empty and has no file '{CHECKPOINT_PATH}': it is not a complete export; "
            "name another folder, or empty this one"
        )


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
