"""Evidence that an image was created: an image of the same name in the same folder, made since the call.

The names of images are unique in a folder. So such an image shows that a create of unknown outcome has
succeeded, or that somebody else has created an image with this name at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.ledger.intent import describe_reply
from gateway.redaction import redact_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from gateway.ledger.work import OpenCall
    from gateway.operations.own_calls import OwnCalls

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"{SERVICE}/Create"
IMAGE = "yandex.cloud.baremetal.v1alpha.Image"
CLOCK_SKEW_US = 5_000_000
"""The maximum difference between the clocks of the gateway and the cloud, in microseconds."""

_STATUS = "status"


def name_of(call: OpenCall) -> tuple[str, str] | None:
    """Return the folder and the name of the image that a call creates; None if the call creates no image."""
    target = call.record.get("target", {})
    if call.method != CREATE or "folder_id" not in target or "name" not in target:
        return None
    return target["folder_id"], target["name"]


def find_images(message: Message) -> Iterator[Any]:
    """Yield the images that a response contains: the message itself, or the elements of its lists."""
    if message.DESCRIPTOR.full_name == IMAGE:
        yield message
        return
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is not None and inner.full_name == IMAGE and field.is_repeated:
            yield from getattr(message, field.name)


def is_made_by(image: Any, call: OpenCall) -> bool:
    """Return whether an image shows that a call has created it."""
    created_us = image.created_at.seconds * 1_000_000 + image.created_at.nanos // 1000
    return (image.folder_id, image.name) == name_of(call) and created_us >= call.time_us - CLOCK_SKEW_US


def describe_image(image: Any) -> dict[str, Any]:
    """Return the facts of an event about an image that a call has created."""
    found = image.DESCRIPTOR.fields_by_name[_STATUS].enum_type.values_by_number.get(image.status)
    status = found.name if found else str(image.status)
    shown = {"id": image.id, "name": image.name, _STATUS: status, "checksum": image.checksum}
    return {"outcome": "ok", "code": "OK", "resource": redact_value({k: v for k, v in shown.items() if v})}


async def look_for_image(calls: OwnCalls, call: OpenCall) -> dict[str, Any] | None:
    """Ask the upstream for the image of a call, and return the facts of an event; None without evidence.

    Raises:
        GatewayError: the upstream cannot be asked.
    """
    place, method = name_of(call), calls.find(f"/{SERVICE}/List")
    if place is None or method is None:
        return None
    folder_id, name = place
    request = method.request(folder_id=folder_id, filter=f'name = "{name}"')
    reply = await calls.make(call, method, request)
    image = next((one for one in find_images(reply.message) if is_made_by(one, call)), None)
    if image is None:
        return None
    return describe_image(image) | await _find_operation(calls, call, image.id)


async def _find_operation(calls: OwnCalls, call: OpenCall, image_id: str) -> dict[str, Any]:
    """Return the operation that created an image, as facts of an event; empty if it is not found."""
    method = calls.find(f"/{SERVICE}/ListOperations")
    if method is None:
        return {}
    try:
        reply = await calls.make(call, method, method.request(image_id=image_id))
    except GatewayError:
        return {}
    created = [one for one in getattr(reply.message, "operations", ()) if _is_create(one)]
    return describe_reply(created[0]) if created else {}


def _is_create(operation: Any) -> bool:
    return str(operation.metadata.type_url).endswith("CreateImageMetadata")
