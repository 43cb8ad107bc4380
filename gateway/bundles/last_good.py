"""The file with the last good bundle, which is a copy of the active bundle.

If the configured bundle is invalid at start-up, the gateway falls back to the last good bundle.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.faults import Fault, FaultsError, Position
from gateway.policy.bundle_files import BundleFiles

if TYPE_CHECKING:
    from pathlib import Path


class _SavedBundle(BaseModel):
    """The JSON content of the file with the last good bundle.

    Attributes:
        hash: the hash of the bundle.
        files: a mapping from the name of each file of the bundle to the text of the file.
        signature: the signature of the bundle; None if the bundle has no signature.
        sums: the list of checksums; None if the bundle has no such list.
    """

    model_config = ConfigDict(strict=True)

    hash: str
    files: dict[str, str]
    signature: str | None
    sums: str | None = None  # earlier versions of the gateway do not write this key


class LastGood:
    """The file with the last good bundle. When a bundle is saved, the file is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, files: BundleFiles) -> None:
        """Replace the saved bundle by a new bundle.

        Raises:
            OSError: the new bundle cannot be written.
        """
        saved = _SavedBundle(
            hash=files.hash, files=dict(files.texts), signature=files.signature, sums=files.sums
        )
        data = saved.model_dump_json().encode()
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}-", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)  # noqa: PTH105 - one call for both names
        except BaseException:
            os.unlink(name)  # noqa: PTH108 - the name is a text
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Write the folder to the disk. Without this step, a power failure could bring back the old file."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self) -> BundleFiles:
        """Return the saved bundle.

        Raises:
            FaultsError: the file does not exist, cannot be read or is malformed, or the bundle was altered.
        """
        try:
            saved = _SavedBundle.model_validate_json(self._path.read_bytes())
        except FileNotFoundError as error:
            raise self._refuse("no last good bundle was saved here") from error
        except OSError as error:
            raise self._refuse(f"cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise self._refuse("is not a saved bundle") from error
        files = BundleFiles(saved.files, saved.signature, saved.sums)
        if files.hash != saved.hash:
            raise self._refuse("the saved bundle was altered: its hash does not match")
        return files

    def _refuse(self, reason: str) -> FaultsError:
        return FaultsError([Fault(Position(str(self._path)), "policies.last_good", reason)])
