"""The resource that a request is about: its folder, name, labels and ID.

The facts are read from the redacted JSON form of the request, so they contain no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.schema import is_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_OTHER_IDS = frozenset({"folder_id", "operation_id", "cloud_id"})
_SINGLE = ("folder_id", "name", "operation_id")


@dataclass(frozen=True, slots=True)
class _Fields:
    """The JSON names of the fields of a request type, each with the name of the fact that it gives."""

    texts: tuple[tuple[str, str], ...]
    labels: str | None


def find_target(request: Message, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about the resource that a request is about.

    The keys are `folder_id`, `name`, `labels`, `resource_id` and `operation_id`. Unknown facts are left out.

    Args:
        request: the request, whose type says which fields it has.
        shown: the redacted JSON form of the request.
    """
    fields = _find_fields(request.DESCRIPTOR)
    target: dict[str, Any] = {}
    for fact, name in fields.texts:
        value = shown.get(name)
        if value:
            target[fact] = value
    if fields.labels and shown.get(fields.labels):
        target["labels"] = shown[fields.labels]
    return target


@lru_cache(maxsize=256)
def _find_fields(descriptor: Descriptor) -> _Fields:
    texts = {one.name: one.json_name for one in descriptor.fields if _is_text(one)}
    ids = [name for name in texts if name.endswith("_id") and name not in _OTHER_IDS]
    facts = [(name, texts[name]) for name in _SINGLE if name in texts]
    facts += [("resource_id", texts[ids[0]])] if len(ids) == 1 else []
    labels = descriptor.fields_by_name.get("labels")
    return _Fields(
        texts=tuple(facts),
        labels=labels.json_name if labels is not None and _is_text_map(labels) else None,
    )


def _is_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _is_text_map(field: FieldDescriptor) -> bool:
    entry: Any = field.message_type
    return is_map(field) and all(
        entry.fields_by_name[part].type == FieldDescriptor.TYPE_STRING for part in ("key", "value")
    )
