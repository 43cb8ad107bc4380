"""The images and operations of one emulator.

The store has no timer. Instead, every method first ends the operations whose duration has passed.
If the delay is zero, an operation therefore ends at the next call. The store starts no
tasks, so a shutdown has nothing to cancel. An image has at most one running operation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import TYPE_CHECKING

from gateway.emulator.model import (
    IMAGE_PREFIX,
    OPERATION_PREFIX,
    Failure,
    Image,
    ImageStatus,
    Operation,
    make_id,
)
from gateway.emulator.status_error import StatusError, not_found
from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """The values that a caller sets for a new image."""

    folder_id: str
    name: str
    description: str
    labels: Mapping[str, str]
    uri: str
    cloud_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The new values of an image's fields. None means that the field keeps its value."""

    name: str | None = None
    description: str | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A running operation.

    Attributes:
        image_id: the ID of the image.
        due_s: the time when the operation ends, in Unix seconds.
        finished: the image that is stored if the operation succeeds; None if the operation deletes the image.
        cancelled: the image that is stored if the operation is cancelled.
    """

    image_id: str
    due_s: float
    finished: Image | None
    cancelled: Image


class ImageStore:
    """A store of images and operations in memory.

    Args:
        clock: the function that returns the Unix time in seconds. The time never decreases.
        delay_s: the duration of an operation, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float], delay_s: float) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._images: dict[str, Image] = {}
        self._operations: dict[str, Operation] = {}
        self._under_way: dict[str, _Work] = {}

    def images(self) -> tuple[Image, ...]:
        """Return all images in the order of their creation."""
        self._settle()
        return tuple(self._images.values())

    def image(self, image_id: str) -> Image:
        """Return the image that has a given ID.

        Raises:
            StatusError: no image has the ID. The status code is NOT_FOUND.
        """
        self._settle()
        try:
            return self._images[image_id]
        except KeyError:
            raise not_found("image", image_id) from None

    def operation(self, operation_id: str) -> Operation:
        """Return the current state of the operation that has a given ID.

        Raises:
            StatusError: no operation has the ID. The status code is NOT_FOUND.
        """
        self._settle()
        try:
            return self._operations[operation_id]
        except KeyError:
            raise not_found("operation", operation_id) from None

    def operations_of(self, image_id: str) -> tuple[Operation, ...]:
        """Return the operations of an image, the earliest first. The image may already be deleted.

        Raises:
            StatusError: no image ever had the ID. The status code is NOT_FOUND.
        """
        self._settle()
        found = tuple(one for one in self._operations.values() if one.image_id == image_id)
        if not found:
            raise not_found("image", image_id)
        return found

    def create(self, method: str, draft: NewImage) -> Operation:
        """Start the creation of an image.

        Raises:
            StatusError: another image in the folder has the name. The status code is ALREADY_EXISTS.
        """
        self._settle()
        image = Image(
            id=make_id(IMAGE_PREFIX),
            folder_id=draft.folder_id,
            name=draft.name,
            description=draft.description,
            labels=draft.labels,
            status=ImageStatus.CREATING,
            created_at=self._now(),
            cloud_id=draft.cloud_id,
        )
        self._require_free_name(image)
        # The emulator does not download the image. Therefore the checksum is the MD5 hash of the URI.
        checksum = md5(draft.uri.encode(), usedforsecurity=False).hexdigest()
        finished = replace(image, status=ImageStatus.READY, checksum=checksum)
        cancelled = replace(image, status=ImageStatus.ERROR)
        return self._start(method, "Create image", image, finished, cancelled)

    def update(self, method: str, image_id: str, changes: Changes) -> Operation:
        """Start an update of an image. The new values are visible when the operation ends.

        Raises:
            StatusError: the update cannot start. The status code is NOT_FOUND if no image has the ID,
                ALREADY_EXISTS if another image in the folder has the new name, or FAILED_PRECONDITION if
                the image is not READY.
        """
        image = self._idle(image_id, {ImageStatus.READY})
        finished = replace(
            image,
            name=image.name if changes.name is None else changes.name,
            description=image.description if changes.description is None else changes.description,
            labels=image.labels if changes.labels is None else changes.labels,
            updated_at=self._now(),
        )
        self._require_free_name(finished)
        updating = replace(image, status=ImageStatus.UPDATING)
        return self._start(method, "Update image", updating, finished, image)

    def delete(self, method: str, image_id: str) -> Operation:
        """Start the deletion of an image. The image has the status DELETING until the operation ends.

        Raises:
            StatusError: the deletion cannot start. The status code is NOT_FOUND if no image has the ID, or
                FAILED_PRECONDITION if another operation of the image is running.
        """
        image = self._idle(image_id, {ImageStatus.READY, ImageStatus.ERROR})
        deleting = replace(image, status=ImageStatus.DELETING)
        return self._start(method, "Delete image", deleting, None, image)

    def cancel(self, operation_id: str) -> Operation:
        """End an operation with the error CANCELLED, and return the operation.

        An operation that has already ended is returned unchanged. If the creation of an image is cancelled,
        the image gets the status ERROR. If an update or a deletion is cancelled, the image gets the values
        and the status that the image had before the operation.

        Raises:
            StatusError: no operation has the ID. The status code is NOT_FOUND.
        """
        operation = self.operation(operation_id)
        work = self._under_way.pop(operation_id, None)
        if work is None:
            return operation
        self._images[work.image_id] = work.cancelled
        failure = Failure(code=Code.CANCELLED, message="the operation was cancelled")
        ended = replace(operation, done=True, modified_at=self._now(), failure=failure)
        self._operations[operation_id] = ended
        return ended

    def _start(
        self, method: str, description: str, image: Image, finished: Image | None, cancelled: Image
    ) -> Operation:
        now_s = self._clock()
        started = datetime.fromtimestamp(now_s, UTC)
        operation = Operation(
            id=make_id(OPERATION_PREFIX),
            method=method,
            description=description,
            image_id=image.id,
            created_at=started,
            modified_at=started,
        )
        self._images[image.id] = image
        self._operations[operation.id] = operation
        self._under_way[operation.id] = _Work(
            image_id=image.id, due_s=now_s + self._delay_s, finished=finished, cancelled=cancelled
        )
        return operation

    def _settle(self) -> None:
        now_s = self._clock()
        for operation_id, work in tuple(self._under_way.items()):
            if work.due_s <= now_s:
                del self._under_way[operation_id]
                self._finish(operation_id, work)

    def _finish(self, operation_id: str, work: _Work) -> None:
        if work.finished is None:
            del self._images[work.image_id]
        else:
            self._images[work.image_id] = work.finished
        self._operations[operation_id] = replace(
            self._operations[operation_id],
            done=True,
            # This is the time at which the operation ended, not the time of the current call.
            modified_at=datetime.fromtimestamp(work.due_s, UTC),
            image=work.finished,
        )

    def _idle(self, image_id: str, statuses: set[ImageStatus]) -> Image:
        image = self.image(image_id)
        if image.status not in statuses:
            raise StatusError(Code.FAILED_PRECONDITION, f"image {image_id!r} is {image.status}")
        return image

    def _require_free_name(self, image: Image) -> None:
        """Raise an error if another image in the folder has the same name or is being renamed to it."""
        to_be = (work.finished for work in self._under_way.values())
        others = (one for one in (*self._images.values(), *to_be) if one is not None and one.id != image.id)
        if image.name and any((one.folder_id, one.name) == (image.folder_id, image.name) for one in others):
            raise StatusError(
                Code.ALREADY_EXISTS,
                f"an image named {image.name!r} already exists in folder {image.folder_id!r}",
            )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
