"""The files of a bundle, read from where an operator keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bundle_files import BundleFiles
from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
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
    if not path.exists():
        raise FaultsError([Fault(Position(str(path)), "", "there is no bundle of policies here")])
    root = path if path.is_dir() else path.parent
    found = sorted(one for one in path.rglob("*") if _is_part(one, path)) if path.is_dir() else [path]
    faults: list[Fault] = []
    texts = {file.relative_to(root).as_posix(): _read(file, faults) for file in found}
    signature = signature_path(path)
    signed = _read(signature, faults) if signature.exists() else None
    if not texts and not faults:
        faults.append(Fault(Position(str(path)), "", "holds no .yaml file"))
    if faults:
        raise FaultsError(faults)
    return BundleFiles(texts, signed)


def signature_path(bundle: Path) -> Path:
    """Return where the signature of a bundle stands: in its folder, or beside its one file."""
    return bundle / SIGNATURE_NAME if bundle.is_dir() else bundle.with_name(f"{bundle.name}.sig")


def _read(file: Path, faults: list[Fault]) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        faults.append(Fault(Position(str(file)), "", f"cannot be read: {reason}"))
        return ""


def _is_part(path: Path, root: Path) -> bool:
    is_hidden = any(name.startswith(".") for name in path.relative_to(root).parts)
    return path.suffix in _SUFFIXES and not is_hidden and not path.is_dir()
