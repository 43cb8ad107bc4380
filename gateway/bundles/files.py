"""The files of a bundle, read from where an operator keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bundle_files import BundleFiles
from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE_NAME = "bundle.sig"

_SUFFIXES = {".yaml", ".yml"}


def read_bundle(path: Path) -> BundleFiles:
    """Return every YAML file of a folder, or the one file, with the signature beside them.

    Hidden files and folders are passed over: Kubernetes keeps the files of a
    mounted ConfigMap in such a folder, beside links to them.

    Raises:
        FaultsError: there is no bundle, or a file cannot be read.
    """
    try:
        is_there = path.exists()
    except OSError as error:  # a folder above it may not be searched, or the name is too long
        raise FaultsError([Fault(Position(str(path)), "", f"cannot be read: {error.strerror}")]) from error
    if not is_there:
        raise FaultsError([Fault(Position(str(path)), "", "there is no bundle of policies here")])
    faults: list[Fault] = []
    found = sorted(_walk(path, faults)) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    texts = {_name(file.relative_to(root), faults): _read(file, faults) for file in found}
    signature = signature_path(path)
    signed = _read(signature, faults) if signature.exists() else None
    if not texts and not faults:
        faults.append(Fault(Position(str(path)), "", "holds no .yaml file"))
    if faults:
        raise FaultsError(faults)
    return BundleFiles(texts, signed)


def _walk(folder: Path, faults: list[Fault], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield every file of a bundle; links are followed, and what cannot be looked into is a fault."""
    own = folder.resolve()
    if own in above:
        faults.append(Fault(Position(str(folder)), "", "a link leads back to a folder that it stands in"))
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        faults.append(Fault(Position(str(folder)), "", f"cannot be read: {error.strerror}"))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, faults, (*above, own))
        elif entry.suffix.lower() in _SUFFIXES:
            yield entry


def _name(path: Path, faults: list[Fault]) -> str:
    name = path.as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "backslashreplace").decode()
        faults.append(Fault(Position(name), "", "the name of the file is not UTF-8"))
    return name


def signature_path(bundle: Path) -> Path:
    """Return where the signature of a bundle stands: in its folder, or beside its one file."""
    return bundle / SIGNATURE_NAME if bundle.is_dir() else bundle.with_name(f"{bundle.name}.sig")


def _read(file: Path, faults: list[Fault]) -> str:
    reason = "not a regular file"  # to read a pipe would wait for ever
    try:
        if file.is_file() or not file.exists():
            return file.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    faults.append(Fault(Position(_shown(file)), "", f"cannot be read: {reason}"))
    return ""


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "backslashreplace").decode()
