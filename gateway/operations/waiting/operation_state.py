"""One state of an operation, and the ID by which every replica knows the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

_ID_BYTES = 12


@dataclass(frozen=True, slots=True, eq=False)
class OperationState:
    """One state of an operation.

    Attributes:
        message: the Operation.
        id: the ID of the state.
    """

    message: Any
    id: str

    @property
    def is_done(self) -> bool:
        """Whether the operation has ended."""
        return bool(self.message.done)

    def is_newer_than(self, other: OperationState) -> bool:
        """Return whether this state follows another one of the same operation.

        Responses of the upstream can arrive out of order, and its replicas may lag behind each other.
        """
        if self.id == other.id or other.is_done:
            return False
        return self.is_done or _modified_at(self.message) >= _modified_at(other.message)


def read_state(operation: Message) -> OperationState:
    """Return the state that an Operation shows."""
    return OperationState(operation, state_id(operation))


def state_id(operation: Any) -> str:
    """Return the ID of the state of an Operation. Equal states have the same ID in every replica.

    The upstream may encode the same state in different ways, because the entries of maps have no order. So
    the content of the operation is encoded again in a fixed order.
    """
    same = type(operation).FromString(operation.SerializeToString())
    for name in ("metadata", "response"):
        if same.HasField(name):
            _normalize(getattr(same, name))
    data = same.SerializeToString(deterministic=True)
    return hashlib.sha256(data).hexdigest()[: 2 * _ID_BYTES]


def _normalize(packed: Any) -> None:
    """Encode the content of an Any in a fixed order, if its type is known."""
    try:
        descriptor = packed.DESCRIPTOR.file.pool.FindMessageTypeByName(packed.type_url.rpartition("/")[2])
        content = message_factory.GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        return
    packed.value = content.SerializeToString(deterministic=True)


def _modified_at(operation: Any) -> tuple[int, int]:
    return operation.modified_at.seconds, operation.modified_at.nanos
