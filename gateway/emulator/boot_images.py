"""The methods of v2's BootImageService. They use the same images as the methods of v1alpha.

The store does not know the cloud of a folder. Therefore an image belongs to every cloud, unless it was
created by v2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.emulator.filter import FilterError, parse_filter
from gateway.emulator.paging import Key, PageRequest, paginate, parse_order
from gateway.emulator.status_error import invalid_argument, not_found
from gateway.emulator.store import Changes, NewImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from gateway.emulator.messages import ResponseMessages
    from gateway.emulator.model import Image, Operation
    from gateway.emulator.store import ImageStore

BOOT_IMAGE_SERVICE = "yandex.cloud.baremetal.v2.BootImageService"
CREATE = f"{BOOT_IMAGE_SERVICE}/CreateBootImage"
UPDATE = f"{BOOT_IMAGE_SERVICE}/UpdateBootImage"
DELETE = f"{BOOT_IMAGE_SERVICE}/DeleteBootImage"

_COLUMNS = ("bootImageId", "createTime", "updateTime")
_MUTABLE = ("name", "description", "annotations")


class BootImageMethods:
    """The methods of BootImageService.

    Attributes:
        starters: the methods that start an operation.
        readers: the other methods.
    """

    def __init__(self, store: ImageStore, messages: ResponseMessages) -> None:
        self._store = store
        self._messages = messages
        self.starters: Mapping[str, Callable[[Any], Operation]] = {
            CREATE: self._create,
            UPDATE: self._update,
            DELETE: lambda request: self._store.delete(DELETE, self._find(request).id),
        }
        self.readers: Mapping[str, Callable[[Any], Message]] = {
            f"{BOOT_IMAGE_SERVICE}/GetBootImage": self._get,
            f"{BOOT_IMAGE_SERVICE}/ListBootImages": self._list,
            f"{BOOT_IMAGE_SERVICE}/ListBootImageOperations": self._list_operations,
        }

    def _create(self, request: Any) -> Operation:
        image = request.boot_image
        for name in ("cloud_id", "folder_id"):
            if not getattr(request, name):
                raise invalid_argument(f"{name}: is required")
            if getattr(image, name) not in ("", getattr(request, name)):
                raise invalid_argument(f"boot_image.{name}: differs from {name}")
        for name in ("name", "uri"):
            if not getattr(image, name):
                raise invalid_argument(f"boot_image.{name}: is required")
        draft = NewImage(
            cloud_id=request.cloud_id,
            folder_id=request.folder_id,
            name=image.name,
            description=image.description,
            labels=dict(image.annotations),
            uri=image.uri,
        )
        return self._store.create(CREATE, draft)

    def _update(self, request: Any) -> Operation:
        image = request.boot_image
        paths = tuple(request.update_mask.paths) or _MUTABLE
        if unknown := [path for path in paths if path not in _MUTABLE]:
            raise invalid_argument(f"update_mask: {unknown[0]!r} is not one of {', '.join(_MUTABLE)}")
        changes = Changes(
            name=image.name if "name" in paths else None,
            description=image.description if "description" in paths else None,
            labels=dict(image.annotations) if "annotations" in paths else None,
        )
        return self._store.update(UPDATE, self._find(image).id, changes)

    def _find(self, place: Any) -> Image:
        """Return the image with an ID, if it is in the given cloud and folder.

        Raises:
            StatusError: there is no such image. The status code is NOT_FOUND.
        """
        image = self._store.image(place.boot_image_id)
        if not _is_in(image, place):
            raise not_found("image", place.boot_image_id)
        return image

    def _get(self, request: Any) -> Message:
        return self._messages.boot_image(self._find(request), request.cloud_id)

    def _list(self, request: Any) -> Message:
        order = parse_order(request.order_by, _COLUMNS, f"{_COLUMNS[0]} asc")
        try:
            conditions = parse_filter(request.filter, ("bootImageId", "name", "state"))
        except FilterError as error:
            raise invalid_argument(f"filter: {error}") from error
        images = [one for one in self._store.images() if _is_in(one, request)]
        accepted = [one for one in images if all(it.accepts(_values_of(one)[it.field]) for it in conditions)]
        listing = (request.cloud_id, request.folder_id, request.filter, order.column, str(order.descending))
        page = PageRequest(size=request.page_size, token=request.page_token, listing=listing)
        found = paginate(accepted, _key_of(order.column), page, descending=order.descending)
        return self._messages.boot_images(found, request.cloud_id)

    def _list_operations(self, request: Any) -> Message:
        operations = self._store.operations_of(request.boot_image_id)
        # Several operations can have the same start time. Therefore the sort key is the position in the list.
        places = {operation.id: f"{place:020}" for place, operation in enumerate(operations)}
        page = PageRequest(size=request.page_size, token=request.page_token, listing=(request.boot_image_id,))
        return self._messages.boot_image_operations(
            paginate(operations, lambda one: (places[one.id], one.id), page, descending=True)
        )


def _is_in(image: Image, place: Any) -> bool:
    return image.folder_id == place.folder_id and image.cloud_id in ("", place.cloud_id)


def _values_of(image: Image) -> dict[str, str]:
    return {"bootImageId": image.id, "name": image.name, "state": image.status.value}


def _key_of(column: str) -> Callable[[Image], Key]:
    columns: Mapping[str, Callable[[Image], str]] = {
        "bootImageId": lambda image: image.id,
        "createTime": lambda image: image.created_at.isoformat(timespec="microseconds"),
        "updateTime": lambda image: (image.updated_at or image.created_at).isoformat(timespec="microseconds"),
    }
    read = columns[column]
    return lambda image: (read(image), image.id)
