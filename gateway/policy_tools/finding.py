"""A finding: a problem in a bundle that does not prevent the compilation of the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gateway.faults import Fault, key_of

if TYPE_CHECKING:
    from gateway.documents import Document
    from gateway.faults import Path

Level: TypeAlias = Literal["warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a bundle that should be reviewed.

    Attributes:
        level: the level of the finding. A `warning` is a mistake that should be fixed. A `note` reports
            something that the author may have intended.
        fault: the position, the key and the message of the finding.
    """

    level: Level
    fault: Fault

    def __str__(self) -> str:
        return f"{self.level}: {self.fault}"


def make_finding(level: Level, document: Document, path: Path, message: str) -> Finding:
    """Return a finding about the key at a path."""
    return Finding(level, Fault(document.position(path), key_of(path), message))
