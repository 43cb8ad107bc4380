"""Reads the comments of .proto files. The OpenAPI document has these comments as descriptions.

A descriptor pool does not keep comments. The comments are therefore read from the descriptor sets. A
descriptor set has comments only if it was compiled with source info.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto


def read_comments(descriptor_sets: Iterable[bytes]) -> Mapping[str, str]:
    """Return a mapping from the full name of a definition to the text of the definition's comment.

    Args:
        descriptor_sets: the serialized FileDescriptorSets. If several sets have a comment for the same name,
            the comment of the first set is used.
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
    """Return the names of the definitions on a location path.

    Return None if the location path does not lead to a definition with a name.

    Args:
        node: the descriptor message where the location path starts.
        path: the location path from the source info, a sequence of field numbers and list indexes.
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
