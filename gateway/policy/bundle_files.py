"""The files of a bundle as a value, with one hash wherever they are stored."""

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
        texts: name → text of every YAML file; names are paths from the bundle's root.
        signature: the detached signature, as it was written; None without one.
        sums: the list of what the files have to be, as it was written; None without one.
    """

    texts: Mapping[str, str]
    signature: str | None = None
    sums: str | None = None

    @property
    def hash(self) -> str:
        """`sha256:…` over every name and text and the sums, without the signature, which is over the hash."""
        digest = hashlib.sha256()
        for part in self._parts():
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return f"sha256:{digest.hexdigest()}"

    def _parts(self) -> Iterator[str]:
        for name in sorted(self.texts):
            yield from (name, self.texts[name])
        if self.sums is not None:  # the last one, with a fixed name
            yield from (SUMS_NAME, self.sums)
