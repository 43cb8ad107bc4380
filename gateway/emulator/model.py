"""The values that the emulator stores: images and the operations on them.

Values are immutable, so an operation's response is the image as it was when the
operation ended.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.errors import Code

IMAGE_PREFIX = "ly5"
OPERATION_PREFIX = "ly6"
"""The cloud's prefixes for BareMetal are not documented; these only look like them."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_ID_LENGTH = 20


def make_id(prefix: str) -> str:
    """Return a new ID of the cloud's shape: 20 lower-case letters and digits, the prefix first."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH - len(prefix)))


class ImageStatus(StrEnum):
    """The names of Image.Status, without the one for "not set"."""

    CREATING = "CREATING"
    READY = "READY"
    ERROR = "ERROR"
    DELETING = "DELETING"
    UPDATING = "UPDATING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image; the fields have the meaning of the fields of the message Image."""

    id: str
    folder_id: str
    name: str
    description: str
    labels: Mapping[str, str]
    status: ImageStatus
    created_at: datetime
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The error of an operation."""

    code: Code
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A long-running operation.

    Attributes:
        method: `package.Service/Method` that started it; its types follow from it.
        image_id: ID of its image.
        image: the result, when done; None after a deletion.
        failure: the error, if it failed.
    """

    id: str
    method: str
    description: str
    image_id: str
    created_at: datetime
    modified_at: datetime
    done: bool = False
    image: Image | None = None
    failure: Failure | None = None
