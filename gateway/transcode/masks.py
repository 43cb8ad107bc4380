"""The field mask that the gateway adds to a PATCH request without a field mask.

If the body is one field of the request, the field mask lists the fields that the body sets. See
https://google.aip.dev/134. If the body is the whole request, the gateway adds no field mask. The cloud
writes every field if a request has no field mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.schema import descriptor_of, nested_message
from gateway.schema.well_known import FIELD_MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from gateway.schema import HttpRule, Method
    from gateway.transcode.json_reader import JsonReader


class MaskRule:
    """Sets the field mask in the requests of one HTTP rule. For most HTTP rules, no field mask is set."""

    def __init__(self, method: Method, rule: HttpRule, reader: JsonReader) -> None:
        self._reader = reader
        self._mask = ""
        if rule.http_method != "PATCH" or rule.body in {"", "*"}:
            return
        descriptor = descriptor_of(method.request)
        masks = [
            one for one in descriptor.fields if one.message_type and one.message_type.full_name == FIELD_MASK
        ]
        target = descriptor.fields_by_name[rule.body].message_type
        if len(masks) == 1 and not masks[0].is_repeated and target is not None:
            self._mask, self._target = masks[0].name, target

    def infer(self, message: Message, body: Any) -> None:
        """Set the field mask of a request, unless the request already has a field mask.

        Args:
            message: the request message.
            body: the JSON value of the HTTP body. The JSON value must have no violations.
        """
        if self._mask and isinstance(body, dict) and not message.HasField(self._mask):
            getattr(message, self._mask).paths.extend(self._paths(self._target, body, ""))

    def _paths(self, descriptor: Descriptor, value: dict[str, Any], prefix: str) -> Iterator[str]:
        for name, one in value.items():
            field = self._reader.find_field(descriptor, name)
            if field is None:
                continue
            inner = nested_message(field.descriptor)
            if inner is not None and isinstance(one, dict) and one:
                yield from self._paths(inner, one, f"{prefix}{field.name}.")
            else:
                yield f"{prefix}{field.name}"
