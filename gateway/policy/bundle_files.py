"""The files of a bundle, and their hash. The hash does not depend on where the files are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUMS_NAME = "bundle.sum"


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """The files of a bundle.

    Attributes:
        texts: the text of every YAML file. The keys are the paths of the files, relative to the root of the
            bundle.
        signature: the text of the detached signature; None if the bundle has no signature.
        sums: the text of the file that lists the expected files and their hashes; None if the bundle has no
            such file.
    """

    texts: Mapping[str, str]
    signature: str | None = None
    sums: str | None = None

    @property
    def hash(self) -> str:
        """The SHA-256 hash over the paths and texts of the YAML files and over the sums, as `sha256:…`.

        The signature is excluded, because it signs the hash.
        """
        digest = hashlib.sha256()
        for part in self._parts():
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return f"sha256:{digest.hexdigest()}"

    def _parts(self) -> Iterator[str]:
        for name in sorted(self.texts):
            yield from (name, self.texts[name])
        if self.sums is not None:  # the sums are always hashed last, under a fixed name
            yield from (SUMS_NAME, self.sums)
