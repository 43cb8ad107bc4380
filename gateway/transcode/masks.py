"""The field mask that a PATCH means when it gives none.

Where the body is a field of the request, the fields that it names are the ones
to change, https://google.aip.dev/134. Where it is the whole request the cloud's
own rule holds: without a mask every field is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.schema import descriptor_of, is_map
from gateway.transcode.json_reader import SPECIAL, find_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from gateway.schema import HttpRule

_MASK = "google.protobuf.FieldMask"


def infer_mask(rule: HttpRule, message: Message, body: Any) -> None:
    """Fill in the mask of a request that has one field for it, left empty.

    Args:
        rule: that the request came by.
        message: the request.
        body: its JSON, as it was read without a violation.
    """
    if rule.verb != "PATCH" or rule.body in {"", "*"} or not isinstance(body, dict):
        return
    descriptor = descriptor_of(message)
    masks = [
        field for field in descriptor.fields if field.message_type and field.message_type.full_name == _MASK
    ]
    target = descriptor.fields_by_name[rule.body].message_type
    if len(masks) != 1 or masks[0].is_repeated or message.HasField(masks[0].name) or target is None:
        return
    getattr(message, masks[0].name).paths.extend(_paths(target, body, ""))


def _paths(descriptor: Descriptor, value: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, one in value.items():
        field = find_field(descriptor, name)
        if field is None:
            continue
        inner = _inner(field)
        if inner is not None and isinstance(one, dict) and one:
            yield from _paths(inner, one, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def _inner(field: FieldDescriptor) -> Descriptor | None:
    """Return the message type whose fields a mask can name one by one."""
    if field.message_type is None or field.is_repeated or is_map(field):
        return None
    return None if field.message_type.full_name in SPECIAL else field.message_type
