"""The resource that a request is about: its folder, name, labels and ID."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.redaction import redact_text
from gateway.schema import is_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_OTHER_IDS = frozenset({"folder_id", "operation_id", "cloud_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The resource that a request is about. Texts are redacted.

    Attributes:
        folder_id: the ID of the folder; None if the request names no folder.
        name: the name of the resource; None if the request has no name.
        labels: the labels of the resource.
        resource_id: the ID of the resource; None if the request names no existing resource.
        operation_id: the ID of an operation that the request names; None if the request names no operation.
    """

    folder_id: str | None
    name: str | None
    labels: Mapping[str, str]
    resource_id: str | None
    operation_id: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the known facts as a JSON object."""
        shown = {
            "folder_id": self.folder_id,
            "name": self.name,
            "labels": self.labels,
            "resource_id": self.resource_id,
            "operation_id": self.operation_id,
        }
        return {key: value for key, value in shown.items() if value}


@dataclass(frozen=True, slots=True)
class _Fields:
    folder: str | None
    name: str | None
    labels: str | None
    resource: str | None
    operation: str | None


def find_target(request: Message) -> Target:
    """Return the resource that a request is about."""
    fields = _find_fields(request.DESCRIPTOR)
    labels: Mapping[str, str] = getattr(request, fields.labels) if fields.labels else {}
    return Target(
        folder_id=_read(request, fields.folder),
        name=_read(request, fields.name),
        labels={redact_text(key): redact_text(labels[key]) for key in sorted(labels)} if labels else {},
        resource_id=_read(request, fields.resource),
        operation_id=_read(request, fields.operation),
    )


def _read(request: Message, field: str | None) -> str | None:
    value: str = getattr(request, field) if field else ""
    return redact_text(value) or None


@lru_cache(maxsize=256)
def _find_fields(descriptor: Descriptor) -> _Fields:
    texts = [one.name for one in descriptor.fields if _is_text(one)]
    ids = [name for name in texts if name.endswith("_id") and name not in _OTHER_IDS]
    labels = descriptor.fields_by_name.get("labels")
    return _Fields(
        folder="folder_id" if "folder_id" in texts else None,
        name="name" if "name" in texts else None,
        labels="labels" if labels is not None and _is_text_map(labels) else None,
        resource=ids[0] if len(ids) == 1 else None,
        operation="operation_id" if "operation_id" in texts else None,
    )


def _is_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _is_text_map(field: FieldDescriptor) -> bool:
    entry: Any = field.message_type
    return is_map(field) and all(
        entry.fields_by_name[part].type == FieldDescriptor.TYPE_STRING for part in ("key", "value")
    )
