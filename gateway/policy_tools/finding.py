"""Findings. A finding is a problem in a bundle that compiles."""

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
        fault: the position in the bundle, the key and the description of the problem.
    """

    level: Level
    fault: Fault

    def __str__(self) -> str:
        return f"{self.level}: {self.fault}"


def make_finding(level: Level, document: Document, path: Path, message: str) -> Finding:
    """Return a finding about one key of a document.

    Args:
        level: the level of the finding.
        document: the document that contains the key.
        path: the path of the key in the document.
        message: the description of the problem.
    """
    return Finding(level, Fault(document.position(path), key_of(path), message))
