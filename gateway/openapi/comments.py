"""Reads the comments of .proto files, which become descriptions in the OpenAPI document.

A descriptor pool does not keep comments, so the comments are read from the descriptor sets. A set has
comments only if the set was compiled with source info.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto


def read_comments(descriptor_sets: Iterable[bytes]) -> Mapping[str, str]:
    """Return the comments of all definitions: full name of the definition → text of the comment.

    Args:
        descriptor_sets: the serialized FileDescriptorSets. If several sets define a name, the comment in the
            first of these sets is used.
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
    """Return the names of the definitions on a path, or None if the path leads to an element without a name.

    Args:
        node: the descriptor message where the path starts.
        path: the field numbers and indexes of the path.
    """
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
