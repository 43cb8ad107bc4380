"""The resource that a request is about: its folder, name, labels and ID.

The facts are read from the redacted JSON form of the request, so they contain no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.schema import is_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_OTHER_IDS = frozenset({"folder_id", "operation_id", "cloud_id"})
_SINGLE = ("cloud_id", "folder_id", "name", "operation_id")
_LABELS = ("labels", "annotations")


@dataclass(frozen=True, slots=True)
class _Fields:
    """The JSON names of the fields of a type, each with the name of the fact that it gives.

    Attributes:
        texts: pairs of a fact and a name.
        labels: the name of the field with labels.
        inner: the name of the field that contains the resource, and the fields of the resource; None if the
            fields of the resource are those of the request.
    """

    texts: tuple[tuple[str, str], ...]
    labels: str | None
    inner: tuple[str, _Fields] | None = None


def find_target(request: Message, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about the resource that a request is about.

    The keys are `cloud_id`, `folder_id`, `name`, `labels`, `resource_id` and `operation_id`. Unknown facts
    are left out. The fields of the request take precedence over the fields of a resource in the request.

    Args:
        request: the request, whose type says which fields it has.
        shown: the redacted JSON form of the request.
    """
    return _read(_find_fields(request.DESCRIPTOR), shown)


def _read(fields: _Fields, shown: Mapping[str, Any]) -> dict[str, Any]:
    target: dict[str, Any] = {}
    if fields.inner is not None and isinstance(inner := shown.get(fields.inner[0]), dict):
        target = _read(fields.inner[1], inner)
    for fact, name in fields.texts:
        value = shown.get(name)
        if value:
            target[fact] = value
    if fields.labels and shown.get(fields.labels):
        target["labels"] = shown[fields.labels]
    return target


@lru_cache(maxsize=256)
def _find_fields(descriptor: Descriptor) -> _Fields:
    """Return the fields of a request type. The only message in it that has a name is its resource."""
    inner = [
        (one.json_name, _find_own_fields(one.message_type))
        for one in descriptor.fields
        if one.message_type is not None and not one.is_repeated and "name" in one.message_type.fields_by_name
    ]
    return replace(_find_own_fields(descriptor), inner=inner[0] if len(inner) == 1 else None)


def _find_own_fields(descriptor: Descriptor) -> _Fields:
    texts = {one.name: one.json_name for one in descriptor.fields if _is_text(one)}
    ids = [name for name in texts if name.endswith("_id") and name not in _OTHER_IDS]
    facts = [(name, texts[name]) for name in _SINGLE if name in texts]
    facts += [("resource_id", texts[ids[0]])] if len(ids) == 1 else []
    found = (descriptor.fields_by_name.get(name) for name in _LABELS)
    labels = next((one.json_name for one in found if one is not None and _is_text_map(one)), None)
    return _Fields(texts=tuple(facts), labels=labels)


def _is_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _is_text_map(field: FieldDescriptor) -> bool:
    entry: Any = field.message_type
    return is_map(field) and all(
        entry.fields_by_name[part].type == FieldDescriptor.TYPE_STRING for part in ("key", "value")
    )
