"""The methods of the ImageService and the OperationService; boot_images.py has those of the BootImageService.

A method takes a request message and returns a response message. The methods do not wait.
Therefore each call is completed before the next call starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.emulator.boot_images import BootImageMethods
from gateway.emulator.filter import FilterError, parse_filter
from gateway.emulator.idempotency import IdempotencyKeys
from gateway.emulator.messages import IMAGE_SERVICE, OPERATION_SERVICE, ResponseMessages
from gateway.emulator.paging import Key, PageRequest, paginate, parse_order
from gateway.emulator.status_error import invalid_argument
from gateway.emulator.store import Changes, ImageStore, NewImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from gateway.emulator.filter import FilterCondition
    from gateway.emulator.model import Image, Operation
    from gateway.schema import Schema

CREATE = f"{IMAGE_SERVICE}/Create"
UPDATE = f"{IMAGE_SERVICE}/Update"
DELETE = f"{IMAGE_SERVICE}/Delete"

_MUTABLE = ("name", "description", "labels")


class Services:
    """The ImageService, the BootImageService and the OperationService, which share one store."""

    def __init__(self, schema: Schema, store: ImageStore) -> None:
        self._store = store
        self._messages = ResponseMessages(schema)
        self._keys = IdempotencyKeys()
        boot_images = BootImageMethods(store, self._messages)
        self._starters: Mapping[str, Callable[[Any], Operation]] = {
            CREATE: self._create,
            UPDATE: self._update,
            DELETE: self._delete,
            **boot_images.starters,
        }
        self._readers: Mapping[str, Callable[[Any], Message]] = {
            f"{IMAGE_SERVICE}/Get": self._get,
            f"{IMAGE_SERVICE}/List": self._list,
            f"{IMAGE_SERVICE}/ListOperations": self._list_operations,
            f"{OPERATION_SERVICE}/Get": self._get_operation,
            f"{OPERATION_SERVICE}/Cancel": self._cancel_operation,
            **boot_images.readers,
        }

    def images(self) -> tuple[Image, ...]:
        """Return all images in the order of their creation."""
        return self._store.images()

    def handle(self, method: str, request: Message, idempotency_key: str) -> Message:
        """Handle one call.

        Args:
            method: the name of the method, as `package.Service/Method`.
            request: the request message of the method.
            idempotency_key: the idempotency key of the call; empty if the call has no key. Methods that
                start no operation ignore the key.

        Raises:
            StatusError: the call fails.
        """
        if method in self._starters:
            return self._messages.operation(self._start(method, request, idempotency_key))
        return self._readers[method](request)

    def forget_keys(self) -> None:
        """Delete all idempotency keys. A call with a known key is then a new call."""
        self._keys = IdempotencyKeys()

    def _start(self, method: str, request: Message, key: str) -> Operation:
        operation_id = self._keys.recall(key, method, request) if key else None
        if operation_id is not None:
            return self._store.operation(operation_id)
        operation = self._starters[method](request)
        if key:
            self._keys.remember(key, method, request, operation.id)
        return operation

    def _create(self, request: Any) -> Operation:
        if not request.uri:
            raise invalid_argument("uri: is required")
        draft = NewImage(
            folder_id=request.folder_id,
            name=request.name,
            description=request.description,
            labels=dict(request.labels),
            uri=request.uri,
        )
        return self._store.create(CREATE, draft)

    def _update(self, request: Any) -> Operation:
        return self._store.update(UPDATE, request.image_id, _changes(request))

    def _delete(self, request: Any) -> Operation:
        return self._store.delete(DELETE, request.image_id)

    def _get(self, request: Any) -> Message:
        return self._messages.image(self._store.image(request.image_id))

    def _list(self, request: Any) -> Message:
        order = parse_order(request.order_by)
        conditions = _parse_filter(request.filter)
        folder_id = request.folder_id
        images = [
            image
            for image in self._store.images()
            if folder_id in ("", image.folder_id) and _is_accepted(image, conditions)
        ]
        page = PageRequest(
            size=request.page_size,
            token=request.page_token,
            listing=(folder_id, request.filter, order.column, str(order.descending)),
        )
        return self._messages.images(
            paginate(images, _key_of(order.column), page, descending=order.descending)
        )

    def _list_operations(self, request: Any) -> Message:
        operations = self._store.operations_of(request.image_id)
        # Several operations can have the same start time. Therefore the sort key is the position in the list.
        places = {operation.id: f"{place:020}" for place, operation in enumerate(operations)}
        page = PageRequest(size=request.page_size, token=request.page_token, listing=(request.image_id,))
        return self._messages.operations(
            paginate(operations, lambda one: (places[one.id], one.id), page, descending=True)
        )

    def _get_operation(self, request: Any) -> Message:
        return self._messages.operation(self._store.operation(request.operation_id))

    def _cancel_operation(self, request: Any) -> Message:
        return self._messages.operation(self._store.cancel(request.operation_id))


def _changes(request: Any) -> Changes:
    """Return the new values of an update request.

    The update changes the fields in the update mask. If the mask is empty, the update changes every mutable
    field.
    """
    paths = tuple(request.update_mask.paths) or _MUTABLE
    if unknown := [path for path in paths if path not in _MUTABLE]:
        raise invalid_argument(f"update_mask: {unknown[0]!r} is not one of {', '.join(_MUTABLE)}")
    return Changes(
        name=request.name if "name" in paths else None,
        description=request.description if "description" in paths else None,
        labels=dict(request.labels) if "labels" in paths else None,
    )


def _parse_filter(text: str) -> tuple[FilterCondition, ...]:
    try:
        return parse_filter(text)
    except FilterError as error:
        raise invalid_argument(f"filter: {error}") from error


def _is_accepted(image: Image, conditions: tuple[FilterCondition, ...]) -> bool:
    actual = {"id": image.id, "name": image.name}
    return all(condition.accepts(actual[condition.field]) for condition in conditions)


def _key_of(column: str) -> Callable[[Image], Key]:
    columns: Mapping[str, Callable[[Image], str]] = {
        "id": lambda image: image.id,
        "name": lambda image: image.name,
        # The text has a fixed width, so that the order of the texts is the order of the times.
        "createdAt": lambda image: image.created_at.isoformat(timespec="microseconds"),
    }
    read = columns[column]
    return lambda image: (read(image), image.id)
