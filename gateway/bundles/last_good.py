"""The bundle that was in force last, kept so that a start beside a bad one can use it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.faults import Fault, FaultsError, Position
from gateway.policy.bundle_files import BundleFiles

if TYPE_CHECKING:
    from pathlib import Path


class _Kept(BaseModel):
    """The file's content."""

    model_config = ConfigDict(strict=True)

    hash: str
    files: dict[str, str]
    signature: str | None
    sums: str | None = None  # files of earlier versions have none


class LastGood:
    """A file that holds one bundle, whole: it is replaced at once, never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, files: BundleFiles) -> None:
        """Keep a bundle.

        Raises:
            OSError: it cannot be written; the one kept before stays.
        """
        kept = _Kept(hash=files.hash, files=dict(files.texts), signature=files.signature, sums=files.sums)
        data = kept.model_dump_json().encode()
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
        """Make the new name last a loss of power."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self) -> BundleFiles:
        """Return the bundle that was kept.

        Raises:
            FaultsError: there is none, or it is not what was kept.
        """
        try:
            kept = _Kept.model_validate_json(self._path.read_bytes())
        except FileNotFoundError as error:
            raise self._refuse("no last good bundle was kept here") from error
        except OSError as error:
            raise self._refuse(f"cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise self._refuse("is no kept bundle") from error
        files = BundleFiles(kept.files, kept.signature, kept.sums)
        if files.hash != kept.hash:
            raise self._refuse("the kept bundle was altered: its hash does not fit")
        return files

    def _refuse(self, reason: str) -> FaultsError:
        return FaultsError([Fault(Position(str(self._path)), "policies.last_good", reason)])
