"""Evidence that an image was created: an image of the same name in the same folder, made since the call.

The names of images are unique in a folder. So such an image shows that a create of unknown outcome has
succeeded, or that somebody else has created an image with this name at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.ledger.intent import describe_reply
from gateway.redaction import redact_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from google.protobuf.message import Message

    from gateway.ledger.work import OpenCall
    from gateway.operations.own_calls import OwnCalls
    from gateway.schema import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageApi:
    """One version of the API for images. The names of the fields are those of its image type.

    Attributes:
        create: the full name of the method that creates an image.
        list: the full name of the method that lists images.
        operations: the full name of the method that lists the operations of an image.
        metadata: the name of the metadata type of an operation that creates an image.
        image: the full name of the image type.
        place: the facts about the target of a create that the request for a list needs.
        id: the field of the ID.
        state: the field of the state.
        created: the field of the time of creation.
    """

    create: str
    list: str
    operations: str
    metadata: str
    image: str
    place: tuple[str, ...]
    id: str
    state: str
    created: str


_V1ALPHA, _V2 = "yandex.cloud.baremetal.v1alpha", "yandex.cloud.baremetal.v2"
SERVICE = f"{_V1ALPHA}.ImageService"
BOOT_IMAGE_SERVICE = f"{_V2}.BootImageService"
APIS = (
    ImageApi(
        create=f"{SERVICE}/Create",
        list=f"{SERVICE}/List",
        operations=f"{SERVICE}/ListOperations",
        metadata="CreateImageMetadata",
        image=f"{_V1ALPHA}.Image",
        place=("folder_id",),
        id="id",
        state="status",
        created="created_at",
    ),
    ImageApi(
        create=f"{BOOT_IMAGE_SERVICE}/CreateBootImage",
        list=f"{BOOT_IMAGE_SERVICE}/ListBootImages",
        operations=f"{BOOT_IMAGE_SERVICE}/ListBootImageOperations",
        metadata="CreateBootImageMetadata",
        image=f"{_V2}.BootImage",
        place=("cloud_id", "folder_id"),
        id="boot_image_id",
        state="state",
        created="create_time",
    ),
)
_BY_CREATE = {api.create: api for api in APIS}
_BY_IMAGE = {api.image: api for api in APIS}
CLOCK_SKEW_US = 5_000_000
"""The maximum difference between the clocks of the gateway and the cloud, in microseconds."""


def name_of(call: OpenCall) -> tuple[str, str] | None:
    """Return the folder and the name of the image that a call creates; None if the call creates no image."""
    target = call.record.get("target", {})
    if call.method not in _BY_CREATE or "folder_id" not in target or "name" not in target:
        return None
    return target["folder_id"], target["name"]


def is_image(type_name: str) -> bool:
    """Return whether a message type, given by its full name, is an image."""
    return type_name in _BY_IMAGE


def id_of(image: Any) -> str:
    """Return the ID of an image."""
    return str(getattr(image, _api_of(image).id))


def _api_of(image: Any) -> ImageApi:
    return _BY_IMAGE[image.DESCRIPTOR.full_name]


def find_images(message: Message) -> Iterator[Any]:
    """Yield the images that a response contains: the message itself, or the elements of its lists."""
    if is_image(message.DESCRIPTOR.full_name):
        yield message
        return
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is not None and is_image(inner.full_name) and field.is_repeated:
            yield from getattr(message, field.name)


def is_made_by(image: Any, call: OpenCall) -> bool:
    """Return whether an image shows that a call has created it."""
    created = getattr(image, _api_of(image).created)
    created_us = created.seconds * 1_000_000 + created.nanos // 1000
    return (image.folder_id, image.name) == name_of(call) and created_us >= call.time_us - CLOCK_SKEW_US


def describe_image(image: Any) -> dict[str, Any]:
    """Return the facts of an event about an image that a call has created."""
    state = _api_of(image).state
    number = getattr(image, state)
    found = image.DESCRIPTOR.fields_by_name[state].enum_type.values_by_number.get(number)
    status = found.name if found else str(number)
    shown = {"id": id_of(image), "name": image.name, "status": status, "checksum": image.checksum}
    return {"outcome": "ok", "code": "OK", "resource": redact_value({k: v for k, v in shown.items() if v})}


async def look_for_image(calls: OwnCalls, call: OpenCall) -> dict[str, Any] | None:
    """Ask the upstream for the image of a call, and return the facts of an event; None without evidence.

    Raises:
        GatewayError: the upstream cannot be asked.
    """
    named, api = name_of(call), _BY_CREATE.get(call.method)
    method = calls.find(f"/{api.list}") if api else None
    if named is None or api is None or method is None:
        return None
    place = _place_of(call, api)
    request = method.request(**place, filter=f'name = "{named[1]}"')
    reply = await calls.make(call, method, request)
    image = next((one for one in find_images(reply.message) if is_made_by(one, call)), None)
    if image is None:
        return None
    return describe_image(image) | await _find_operation(calls, call, api, id_of(image))


def _place_of(call: OpenCall, api: ImageApi) -> dict[str, str]:
    target = call.record["target"]
    return {name: target[name] for name in api.place if name in target}


async def _find_operation(calls: OwnCalls, call: OpenCall, api: ImageApi, image_id: str) -> dict[str, Any]:
    """Return the operation that created an image, as facts of an event; empty if it is not found."""
    method = calls.find(f"/{api.operations}")
    if method is None:
        return {}
    fields = {"image_id" if api.id == "id" else api.id: image_id}
    fields |= {name: text for name, text in _place_of(call, api).items() if name in _fields_of(method)}
    try:
        reply = await calls.make(call, method, method.request(**fields))
    except GatewayError:
        return {}
    created = [one for one in getattr(reply.message, "operations", ()) if _is_create(one)]
    return describe_reply(created[0]) if created else {}


def _fields_of(method: Method) -> Collection[str]:
    return method.request.DESCRIPTOR.fields_by_name.keys()


def _is_create(operation: Any) -> bool:
    """Return whether an operation has created an image. It may belong to another version than the call."""
    name = str(operation.metadata.type_url).rpartition(".")[2]
    return any(name == api.metadata for api in APIS)
