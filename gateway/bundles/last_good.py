"""The last good bundle: a file with a copy of the active bundle.

If the configured bundle is invalid at start-up, the gateway falls back to the copy.
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
    """The content of the file with the last good bundle."""

    model_config = ConfigDict(strict=True)

    hash: str
    files: dict[str, str]
    signature: str | None
    sums: str | None = None  # files of earlier versions have no checksums


class LastGood:
    """A file with one complete bundle. The file is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, files: BundleFiles) -> None:
        """Save a bundle.

        Raises:
            OSError: the bundle cannot be written. The previously saved bundle stays in the file.
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
        """Write the folder to the disk, so that the new file name is not lost if the power fails."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self) -> BundleFiles:
        """Return the saved bundle.

        Raises:
            FaultsError: there is no saved bundle, or the saved bundle cannot be read or was altered.
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
