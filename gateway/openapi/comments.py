"""Comments of .proto files → descriptions, for sets that were compiled with source info.

A pool drops them, so they are read from the sets themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto


def read_comments(descriptor_sets: Iterable[bytes]) -> Mapping[str, str]:
    """Return the comment before each definition: its full name → text.

    Args:
        descriptor_sets: serialized FileDescriptorSets; for a name in several sets, the first one counts.
    """
    comments: dict[str, str] = {}
    for data in descriptor_sets:
        for file in FileDescriptorSet.FromString(data).file:
            for name, text in _comments_of(file):
                comments.setdefault(name, text)
    return comments


def _comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        text = _clean(location.leading_comments or location.trailing_comments)
        names = _names_at(file, list(location.path)) if text else None
        if names:
            yield ".".join(filter(None, [file.package, *names])), text


def _names_at(node: Any, path: list[int]) -> list[str] | None:
    """Return the names on a path of field numbers and indexes; None if it leads to an unnamed element."""
    names = []
    while path:
        field = node.DESCRIPTOR.fields_by_number.get(path[0])
        if field is None or not field.is_repeated or field.message_type is None or len(path) == 1:
            return None
        node = getattr(node, field.name)[path[1]]
        path = path[2:]
        if not getattr(node, "name", ""):
            return None
        names.append(node.name)
    return names


def _clean(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
