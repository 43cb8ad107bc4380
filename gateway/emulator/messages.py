"""Converts the emulator's values into protobuf messages of the schema.

The descriptor of the method that started an operation defines the message types of the
operation's `metadata` and `response`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.emulator.model import Image, Operation
    from gateway.emulator.paging import Page
    from gateway.schema import Schema

IMAGE_SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
OPERATION_SERVICE = "yandex.cloud.operation.OperationService"
BOOT_IMAGE = "yandex.cloud.baremetal.v2.BootImage"
OPERATION = "yandex.cloud.operation.Operation"

CREATED_BY = "ajeemulatedaccount00"
"""The creator of every operation. The emulator does not read the credentials of callers."""


class ResponseMessages:
    """Creates the response messages of the emulator."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def image(self, image: Image) -> Message:
        """Return an Image message."""
        return self._new(
            "yandex.cloud.baremetal.v1alpha.Image",
            id=image.id,
            folder_id=image.folder_id,
            name=image.name,
            description=image.description,
            checksum=image.checksum,
            status=image.status.value,
            created_at=image.created_at,
            labels=image.labels,
        )

    def images(self, page: Page[Image]) -> Message:
        """Return a ListImagesResponse message."""
        return self._new(
            "yandex.cloud.baremetal.v1alpha.ListImagesResponse",
            images=[self.image(image) for image in page.entries],
            next_page_token=page.next_token,
        )

    def operations(self, page: Page[Operation]) -> Message:
        """Return a ListImageOperationsResponse message."""
        return self._new(
            "yandex.cloud.baremetal.v1alpha.ListImageOperationsResponse",
            operations=[self.operation(operation) for operation in page.entries],
            next_page_token=page.next_token,
        )

    def boot_image(self, image: Image, cloud_id: str = "") -> Message:
        """Return a BootImage message.

        Args:
            image: the image.
            cloud_id: the cloud of an image that was created without one.
        """
        return self._new(
            BOOT_IMAGE,
            boot_image_id=image.id,
            cloud_id=image.cloud_id or cloud_id,
            folder_id=image.folder_id,
            name=image.name,
            description=image.description,
            checksum=image.checksum,
            state=image.status.value,
            create_time=image.created_at,
            update_time=image.updated_at or image.created_at,
            annotations=image.labels,
        )

    def boot_images(self, page: Page[Image], cloud_id: str) -> Message:
        """Return a ListBootImagesResponse message."""
        return self._new(
            "yandex.cloud.baremetal.v2.ListBootImagesResponse",
            boot_images=[self.boot_image(image, cloud_id) for image in page.entries],
            next_page_token=page.next_token,
        )

    def boot_image_operations(self, page: Page[Operation]) -> Message:
        """Return a ListBootImageOperationsResponse message."""
        return self._new(
            "yandex.cloud.baremetal.v2.ListBootImageOperationsResponse",
            operations=[self.operation(operation) for operation in page.entries],
            next_page_token=page.next_token,
        )

    def operation(self, operation: Operation) -> Message:
        """Return an Operation message. The message contains the result if the operation has ended."""
        message = self._new(
            OPERATION,
            id=operation.id,
            description=operation.description,
            created_at=operation.created_at,
            created_by=CREATED_BY,
            modified_at=operation.modified_at,
            done=operation.done,
        )
        self._fill(message, operation)
        return message

    def _fill(self, message: Any, operation: Operation) -> None:
        types = self._schema.methods[operation.method].operation
        if types is None:
            raise TypeError(f"{operation.method} starts no operation")
        message.metadata.Pack(self._metadata(types.metadata, operation))
        if operation.failure is not None:
            message.error.code = operation.failure.code
            message.error.message = operation.failure.message
        elif operation.done:
            message.response.Pack(self._result(types.response, operation.image))

    def _metadata(self, type_name: str, operation: Operation) -> Message:
        if "image_id" in self._schema.message(type_name).DESCRIPTOR.fields_by_name:
            return self._new(type_name, image_id=operation.image_id)
        common = self._new(
            "yandex.cloud.baremetal.v2.OperationMetadata",
            description=operation.description,
            created_at=operation.created_at,
            created_by=CREATED_BY,
            modified_at=operation.modified_at,
        )
        return self._new(type_name, boot_image_id=operation.image_id, operation_metadata=common)

    def _result(self, type_name: str, image: Image | None) -> Message:
        if image is None:
            return self._new(type_name)
        return self.boot_image(image) if type_name == BOOT_IMAGE else self.image(image)

    def _new(self, type_name: str, **fields: Any) -> Message:
        return self._schema.message(type_name)(**fields)
