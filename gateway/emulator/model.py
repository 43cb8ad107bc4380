"""The values that the emulator stores: images and operations.

Values are immutable. Therefore a later operation does not change the result of an earlier
operation.
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
"""The two prefixes are invented, because the cloud does not document its prefixes for BareMetal."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_ID_LENGTH = 20


def make_id(prefix: str) -> str:
    """Return a new ID of 20 characters: a prefix, followed by lower-case letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH - len(prefix)))


class ImageStatus(StrEnum):
    """The value names of the protobuf enum Image.Status, except the name of the unset value."""

    CREATING = "CREATING"
    READY = "READY"
    ERROR = "ERROR"
    DELETING = "DELETING"
    UPDATING = "UPDATING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image. The fields have the same meaning as in the protobuf messages Image and BootImage.

    Attributes:
        cloud_id: the ID of the cloud; empty if the image was created by v1alpha, which names no cloud.
        updated_at: the time of the last update; None if there was none.
    """

    id: str
    folder_id: str
    name: str
    description: str
    labels: Mapping[str, str]
    status: ImageStatus
    created_at: datetime
    checksum: str = ""
    cloud_id: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The error that an operation ended with."""

    code: Code
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A long-running operation.

    Attributes:
        method: the name of the method that started the operation, as `package.Service/Method`.
        image_id: the ID of the image that the operation changes.
        image: the resulting image. The value is None while the operation is running, and after the operation
            failed or deleted the image.
        failure: the error of the operation; None if the operation did not fail.
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
