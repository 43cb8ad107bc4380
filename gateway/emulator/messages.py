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
        message.metadata.Pack(self._new(types.metadata, image_id=operation.image_id))
        if operation.failure is not None:
            message.error.code = operation.failure.code
            message.error.message = operation.failure.message
        elif operation.done:
            made = self._new(types.response) if operation.image is None else self.image(operation.image)
            message.response.Pack(made)

    def _new(self, type_name: str, **fields: Any) -> Message:
        return self._schema.message(type_name)(**fields)
