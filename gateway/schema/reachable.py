"""Finds the message types that a message can contain, at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor


def reachable_types(descriptors: Iterable[Descriptor]) -> set[str]:
    """Return the full names of the given message types and of all message types that they contain.

    Types are found at any depth. But the type of the message inside an Any is not included, because this
    type is only known at run time.
    """
    todo = list(descriptors)
    names = {one.full_name for one in todo}
    while todo:
        for field in todo.pop().fields:
            if field.message_type is not None and field.message_type.full_name not in names:
                names.add(field.message_type.full_name)
                todo.append(field.message_type)
    return names
