"""The facts that the ledger keeps about a long-running operation."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from gateway.errors import Code
from gateway.redaction import is_secret_name, may_hold_secret, redact_text, redact_value
from gateway.schema import is_map
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

OPERATION = "yandex.cloud.operation.Operation"
"""The full name of the type of operations."""

_MAX_TEXT = 1000
_CAPITAL = re.compile("(?<!^)(?=[A-Z])")
_NAMES = {"id": ("id",), "name": ("name",), "status": ("status", "state"), "checksum": ("checksum",)}
"""The facts about a resource, and the names of the fields that contain them."""
_ANY = "google.protobuf.Any"
_TEXTS = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES})
_NUMBERS = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})  # types without texts


@value_class(frozen=True, slots=True, kw_only=True)
class OperationFacts:
    """The facts about an operation.

    Attributes:
        id: the ID of the operation.
        done: whether the operation has ended.
        code: the name of the status code of a done operation; None while the operation runs.
        error: the error message of a failed operation.
        resource_id: the ID of the resource that the operation changes; None if it is not known.
        resource: the fields `id`, `name`, `status` and `checksum` of the resulting resource, if it has them.
    """

    id: str
    done: bool
    code: str | None
    error: str
    resource_id: str | None
    resource: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        shown: dict[str, Any] = {"id": self.id, "done": self.done}
        if self.code is not None:
            shown["code"] = self.code
        if self.error:
            shown["error"] = self.error
        if self.resource_id:
            shown["resource_id"] = self.resource_id
        if self.resource:
            shown["resource"] = self.resource
        return shown


def is_operation(message: Message) -> bool:
    """Return whether a message is an operation."""
    return bool(message.DESCRIPTOR.full_name == OPERATION)


def find_operations(message: Message) -> Iterator[Message]:
    """Yield the operations that a response contains: the message itself, or the elements of its lists."""
    if is_operation(message):
        yield message
        return
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is not None and inner.full_name == OPERATION and field.is_repeated:
            yield from getattr(message, field.name)


def read_operation(operation: Any) -> OperationFacts:
    """Return the facts about an operation.

    An operation may have an error before it is done. Such an error is kept when the operation is done.
    """
    code, error, resource = None, "", {}
    if operation.done:
        code = Code.OK.name
        if operation.WhichOneof("result") == "error":
            code = _code_name(operation.error.code)
            error = str(redact_text(operation.error.message))[:_MAX_TEXT]
        else:
            resource = _read_resource(_unpack(operation.response))
    return OperationFacts(
        id=redact_text(operation.id),
        done=operation.done,
        code=code,
        error=error,
        resource_id=_read_resource_id(_unpack(operation.metadata)) or resource.get("id"),
        resource=resource,
    )


def read_progress(operation: Any) -> dict[str, Any] | None:
    """Return the facts about the progress of a running operation as a JSON object.

    The result is None if the operation was not modified since it was created. The object contains nothing
    that a later event may change.
    """
    created, modified = operation.created_at, operation.modified_at
    if (modified.seconds, modified.nanos) <= (created.seconds, created.nanos):
        return None
    return {"id": redact_text(operation.id), "modified_at": _to_text(modified)}


def _to_text(timestamp: Any) -> str | None:
    try:
        return str(timestamp.ToJsonString())
    except ValueError:  # out of range
        return None


def has_secret(message: Message) -> bool:
    """Return whether redaction would remove a part of a message, or a part of it cannot be read."""
    texts: list[str] = []
    if not _collect_texts(message, texts):
        return True
    # Most replies hold no trace of a secret, and one search in all texts takes less time than one in each.
    return may_hold_secret("\n".join(texts)) and any(
        redact_text(text) != text or redact_value(text) != text for text in texts
    )


def _collect_texts(message: Message, texts: list[str]) -> bool:
    """Add the texts of a message to a list.

    Return False if a part of the message cannot be read, or if the name of a field or a key in a map shows
    that its value is a secret.
    """
    for field, form in _find_fields(message.DESCRIPTOR):
        name = field.name
        if form is _Form.MESSAGE:
            if message.HasField(name) and not _collect_texts(getattr(message, name), texts):
                return False
        elif form is _Form.TEXT:
            value = getattr(message, name)
            if value and not _collect_value(name, value, texts):
                return False
        elif not _collect_values(field, getattr(message, name), texts):
            return False
    if message.DESCRIPTOR.full_name != _ANY:
        return True
    inner = _unpack(message)
    return not message.value if inner is None else _collect_texts(inner, texts)  # type: ignore[attr-defined]


class _Form(Enum):
    """The form of a field that may hold a text."""

    TEXT = auto()
    MESSAGE = auto()
    SEVERAL = auto()


@lru_cache(maxsize=256)
def _find_fields(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, _Form], ...]:
    """Return the fields of a type that may hold a text. The content of an Any is read separately."""
    found = []
    for field in descriptor.fields if descriptor.full_name != _ANY else ():
        if field.message_type is not None and field.message_type.full_name in _NUMBERS:
            continue
        if field.is_repeated:
            found.append((field, _Form.SEVERAL))
        elif field.message_type is not None:
            found.append((field, _Form.MESSAGE))
        elif field.type in _TEXTS:
            found.append((field, _Form.TEXT))
    return tuple(found)


def _collect_values(field: FieldDescriptor, values: Any, texts: list[str]) -> bool:
    """Add the texts of a repeated field or a map. The key of a value may show that the value is a secret."""
    if not values:
        return True
    if not is_map(field):
        return all(_collect_value(field.name, one, texts) for one in values)
    return not is_secret_name(field.name) and all(
        _collect_value(field.name, key, texts) and _collect_value(str(key), one, texts)
        for key, one in values.items()
    )


def _collect_value(name: str, value: Any, texts: list[str]) -> bool:
    if isinstance(value, Message):
        return _collect_texts(value, texts)
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not value or not isinstance(value, str):
        return True
    texts.append(value)
    return not is_secret_name(name)


def _is_text(field: Any) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated)


def _code_name(number: int) -> str:
    return Code(number).name if number in Code.__members__.values() else Code.UNKNOWN.name


def _unpack(packed: Any) -> Message | None:
    """Return the message in an Any; None if its type is not known or its bytes cannot be parsed."""
    try:
        return _find_class(packed.DESCRIPTOR.file.pool, packed.type_url).FromString(packed.value)
    except (KeyError, DecodeError):
        return None


@lru_cache(maxsize=256)
def _find_class(pool: DescriptorPool, type_url: str) -> type[Message]:
    """Return the class of the messages in an Any.

    Raises:
        KeyError: the type is not known. This result is not kept.
    """
    descriptor = pool.FindMessageTypeByName(type_url.rpartition("/")[2])
    return message_factory.GetMessageClass(descriptor)


def _read_resource_id(metadata: Message | None) -> str | None:
    """Return the only ID in the metadata of an operation, such as `image_id`."""
    if metadata is None:
        return None
    name = _find_id_field(metadata.DESCRIPTOR)
    return redact_text(getattr(metadata, name)) or None if name else None


@lru_cache(maxsize=256)
def _find_id_field(descriptor: Descriptor) -> str | None:
    """Return the name of the only field with an ID."""
    names = [one.name for one in descriptor.fields if one.name.endswith("_id") and _is_text(one)]
    return names[0] if len(names) == 1 else None


def _read_resource(response: Message | None) -> dict[str, str]:
    if response is None:
        return {}
    fields = response.DESCRIPTOR.fields_by_name
    own_id = f"{_CAPITAL.sub('_', response.DESCRIPTOR.name).lower()}_id"  # boot_image_id of a BootImage
    shown = {}
    for fact, names in _NAMES.items():
        known = names if fact != "id" else (*names, own_id)
        name = next((one for one in known if one in fields and not fields[one].is_repeated), None)
        if name is None:
            continue
        value = getattr(response, name)
        enum = fields[name].enum_type
        if enum is not None:
            found = enum.values_by_number.get(value)
            value = found.name if found else str(value)
        if isinstance(value, str) and value:
            shown[fact] = redact_value(value, fact)
    return shown
