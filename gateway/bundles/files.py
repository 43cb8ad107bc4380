"""Reads the files of a bundle from the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gateway.bundles.sums import parse_sums
from gateway.faults import Fault, FaultsError, Position
from gateway.policy.bundle_files import SUMS_NAME, BundleFiles

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGNATURE_NAME = "bundle.sig"

_SUFFIXES = {".yaml", ".yml"}

Stamp: TypeAlias = tuple[str, int, int, int]
"""The path of a file, with the inode, the size in bytes and the modification time in nanoseconds.

If the file does not exist or cannot be read, the three numbers are 0.
"""


def read_bundle(path: Path, *, has_sums: bool = True) -> BundleFiles:
    """Return the files of a bundle, together with its signature and its list of checksums.

    A bundle is a folder with YAML files, or a single file. Hidden files and hidden folders are skipped. If
    Kubernetes mounts a ConfigMap as the folder, the files are in a hidden folder, and the visible names are
    links to these files.

    Args:
        path: the path of the folder or of the single file.
        has_sums: whether to read the list of checksums. False is for a caller that writes a new list.

    Raises:
        FaultsError: there is no bundle, a file cannot be read, or the list of checksums is malformed.
    """
    try:
        return _read_bundle(path, has_sums=has_sums)
    except OSError as error:  # for example, no permission for a parent folder, or a name that is too long
        at = Position(_shown(Path(error.filename or path)))
        raise FaultsError([Fault(at, "", f"cannot be read: {error.strerror}")]) from error


def _read_bundle(path: Path, *, has_sums: bool) -> BundleFiles:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = Fault(Position(str(path)), "", "there is no bundle of policies here")
        raise FaultsError([missing]) from error
    walk = _walk(path)
    faults = walk.faults
    root = path if path.is_dir() else path.parent
    texts = {_name(file.relative_to(root), faults): _read(file, faults) for file in sorted(walk.files)}
    signature = _read_optional(signature_path(path), faults)
    sums = _read_optional(sums_path(path), faults) if has_sums else None
    if sums is not None:
        faults += parse_sums(sums, str(sums_path(path)))[1]
    if not texts and not faults:
        faults.append(Fault(Position(str(path)), "", "contains no .yaml file"))
    if faults:
        raise FaultsError(faults)
    return BundleFiles(texts, signature, sums)


def signature_path(bundle: Path) -> Path:
    """Return the path of the signature of a bundle.

    If the bundle is a folder, the signature is in the folder. If the bundle is a single file, the signature
    is in the same folder as the file.
    """
    return bundle / SIGNATURE_NAME if bundle.is_dir() else bundle.with_name(f"{bundle.name}.sig")


def sums_path(bundle: Path) -> Path:
    """Return the path of the list of checksums of a bundle.

    If the bundle is a folder, the list is in the folder. If the bundle is a single file, the list is in the
    same folder as the file.
    """
    return bundle / SUMS_NAME if bundle.is_dir() else bundle.with_name(f"{bundle.name}.sum")


def stamp_bundle(path: Path) -> frozenset[Stamp]:
    """Return the stamps of all files and folders of a bundle.

    The stamps change when a file is written, created, moved or deleted. They change even if the new content
    of a file is equal to the old content.
    """
    try:
        walk = _walk(path)
        beside = [signature_path(path), sums_path(path)]
    except OSError:  # without access to the bundle, only its path has a stamp
        return stamp_files([path])
    return stamp_files([*walk.files, *walk.folders, *beside])


def stamp_files(paths: Iterable[Path]) -> frozenset[Stamp]:
    """Return the stamps of the files at the given paths."""
    return frozenset(map(_stamp, paths))


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(slots=True)
class _Walk:
    """A search for the YAML files of a bundle. Links are followed.

    Attributes:
        files: the YAML files that were found.
        folders: the folders that were searched.
        faults: the faults: folders that cannot be read, and links to a folder that contains the link.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def into(self, folder: Path, above: tuple[Path, ...] = ()) -> None:
        own = folder.resolve()
        if own in above:
            self._fault(folder, "a link leads back to a folder that contains it")
            return
        self.folders.append(folder)
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            self._fault(folder, f"cannot be read: {error.strerror}")
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                self.into(entry, (*above, own))
            elif entry.suffix.lower() in _SUFFIXES:
                self.files.append(entry)

    def _fault(self, folder: Path, message: str) -> None:
        self.faults.append(Fault(Position(str(folder)), "", message))


def _walk(path: Path) -> _Walk:
    if not path.is_dir():
        return _Walk(files=[path])
    walk = _Walk()
    walk.into(path)
    return walk


def _name(path: Path, faults: list[Fault]) -> str:
    name = path.as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "backslashreplace").decode()
        faults.append(Fault(Position(name), "", "the name of the file is not UTF-8"))
    return name


def _read_optional(file: Path, faults: list[Fault]) -> str | None:
    """Return the text of an optional file, or None if there is no file.

    If the path is a broken link, or the file cannot be read, add a fault and return an empty text.
    """
    return _read(file, faults) if file.is_symlink() or file.exists() else None


def _read(file: Path, faults: list[Fault]) -> str:
    """Return the text of a file. If the file cannot be read, add a fault and return an empty text.

    The line ends are not converted, because the hash of the bundle includes the line ends.
    """
    reason = "not a regular file"  # reading a pipe could block forever
    try:
        if file.is_file() or not file.exists():
            return file.read_bytes().decode()
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    faults.append(Fault(Position(_shown(file)), "", f"cannot be read: {reason}"))
    return ""


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "backslashreplace").decode()
