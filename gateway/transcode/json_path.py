"""The path to a value in a request.

It is cheap to extend a path while a request is read. The text of a path is made only for a violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from gateway.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_NAME = 64


class FieldStep(Protocol):
    """A field on a path.

    Attributes:
        name: the name of the field in the .proto file.
        json_name: the name of the field in JSON.
        holds_any: whether the values of the field are of the type google.protobuf.Any.
    """

    name: str
    json_name: str
    holds_any: bool


Step: TypeAlias = "FieldStep | tuple[str] | int | str"
"""A field, a map key (as a tuple with one text), a list index, or a name that is not a field."""
JsonPath: TypeAlias = "tuple[JsonPath, Step] | None"
"""The path to the enclosing value, and the last step. None is the path of the request itself."""


def show_path(path: JsonPath) -> str:
    """Return the text of a path, such as `inner.labels["env"]`. The text is empty for the request itself.

    The text has the field names of the .proto file. Inside an Any, the text has JSON names instead:
    the code that later converts names to JSON names does not know the type in an Any.
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
    """Return a name for the text of a path, in quotes if the name does not look like a field name."""
    is_plain = len(name) <= _MAX_NAME and name.isascii() and name.replace("_", "").isalnum()
    return name if is_plain or name == "@type" else quote(name)


def _steps(path: JsonPath) -> Iterator[Step]:
    steps: list[Step] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return reversed(steps)
