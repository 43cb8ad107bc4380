"""The path to a value in the JSON of a request.

While a request is read, a path is a nested tuple, which can be extended in constant time. The text of a
path is built only for a violation.
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
        holds_any: whether the field is a google.protobuf.Any, or a list or a map of google.protobuf.Any.
    """

    name: str
    json_name: str
    holds_any: bool


Step: TypeAlias = "FieldStep | tuple[str] | int | str"
"""One step of a path.

A field is a FieldStep. A map key is a tuple with one string. A list index is an int. A name that is not a
field name is a string.
"""
JsonPath: TypeAlias = "tuple[JsonPath, Step] | None"
"""A path is a pair: the path to the enclosing value, and the last step.

None is the path of the whole request.
"""


def show_path(path: JsonPath) -> str:
    """Return the text of a path, such as `inner.labels["env"]`. For the whole request, the text is empty.

    The text has the field names of the .proto file. Later, `to_json_path` converts these names to JSON names.
    But `to_json_path` cannot convert names inside an Any, because it does not know the type of the Any's
    content. Therefore, the text already has JSON names for the fields inside an Any.
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
    """Return an unknown name for use in a path. The name is quoted if it does not look like a field name."""
    is_plain = len(name) <= _MAX_NAME and name.isascii() and name.replace("_", "").isalnum()
    return name if is_plain or name == "@type" else quote(name)


def _steps(path: JsonPath) -> Iterator[Step]:
    steps: list[Step] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return reversed(steps)
