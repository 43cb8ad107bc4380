"""The files of a bundle, read from where an operator keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES = {".yaml", ".yml"}


def read_bundle(path: Path) -> dict[str, str]:
    """Return name → text of every YAML file of a folder, or of the one file.

    Names are paths from the bundle's root, so a bundle has one hash wherever it
    lies. Hidden files and folders are passed over: Kubernetes keeps the files of a
    mounted ConfigMap in such a folder, beside links to them.

    Raises:
        FaultsError: there is no bundle, or a file cannot be read.
    """
    if not path.exists():
        raise FaultsError([Fault(Position(str(path)), "", "there is no bundle of policies here")])
    root = path if path.is_dir() else path.parent
    found = sorted(one for one in path.rglob("*") if _is_part(one, path)) if path.is_dir() else [path]
    files, faults = {}, []
    for file in found:
        try:
            files[file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            faults.append(Fault(Position(str(file)), "", f"cannot be read: {reason}"))
    if not files and not faults:
        faults.append(Fault(Position(str(path)), "", "holds no .yaml file"))
    if faults:
        raise FaultsError(faults)
    return files


def _is_part(path: Path, root: Path) -> bool:
    is_hidden = any(name.startswith(".") for name in path.relative_to(root).parts)
    return path.suffix in _SUFFIXES and not is_hidden and not path.is_dir()
