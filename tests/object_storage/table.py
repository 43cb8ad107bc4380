"""The tables under links/: hostile and ordinary texts, with the expected result of each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

FOLDER = Path(__file__).with_name("links")
ORDINARY = "ordinary.yaml"


class Accepted(NamedTuple):
    text: str
    style: str
    bucket: str
    key: str
    extension: str
    expires: str | None


class Refused(NamedTuple):
    text: str
    reason: str


class Group(NamedTuple):
    """The texts of one trick, with their results."""

    name: str
    accepted: list[Accepted]
    refused: list[Refused]

    @property
    def is_hostile(self) -> bool:
        return not self.name.startswith(ORDINARY)


def load_groups() -> list[Group]:
    return [
        Group(
            f"{path.name}: {group['trick']}",
            [Accepted(*row) for row in group.get("accepted", [])],
            [Refused(text, reason) for reason, texts in group.get("refused", {}).items() for text in texts],
        )
        for path in sorted(FOLDER.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


GROUPS = load_groups()
ACCEPTED = [row for group in GROUPS for row in group.accepted]
REFUSED = [row for group in GROUPS for row in group.refused]
TEXTS = [*(row.text for row in ACCEPTED), *(row.text for row in REFUSED)]
