"""Path to a value in a request: cheap to extend while reading, formatted only for a violation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from gateway.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_NAME = 64


class FieldStep(Protocol):
    """A field on a path.

    Attributes:
        name: as the .proto file has it.
        json_name: as JSON has it.
        holds_any: the field's values are of the type google.protobuf.Any.
    """

    name: str
    json_name: str
    holds_any: bool


Step: TypeAlias = "FieldStep | tuple[str] | int | str"
"""A field, the key of a map in a tuple, the index in a list, or a name that is no field."""
JsonPath: TypeAlias = "tuple[JsonPath, Step] | None"
"""The path to the enclosing value, and the last step; None is the request itself."""


def show_path(path: JsonPath) -> str:
    """Return the text of a path, as `inner.labels["env"]`; empty for the request itself.

    Fields have the names of the .proto file. Within an Any they have their JSON names: code
    that converts names does not know the type in an Any.
    """
    text = ""
    in_any = False
    for step in _steps(path):
        if isinstance(step, int):
            text += f"[{step}]"
        elif isinstance(step, tuple):
            text += f"[{quote(step[0])}]"
        else:
            name = step if isinstance(step, str) else step.json_name if in_any else step.name
            in_any = in_any or (not isinstance(step, str) and step.holds_any)
            text += f".{name}" if text else name
    return text


def plain_name(name: str) -> str:
    """Return a name as paths show it: quoted if it does not look like the name of a field."""
    is_plain = len(name) <= _MAX_NAME and name.isascii() and name.replace("_", "").isalnum()
    return name if is_plain or name == "@type" else quote(name)


def _steps(path: JsonPath) -> Iterator[Step]:
    steps: list[Step] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return reversed(steps)
