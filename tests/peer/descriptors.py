"""Prints the descriptors of the cloud's own client library.

Arguments are names of .proto files. Standard output is a serialized
FileDescriptorSet of them and of all that they import, each before its importer,
as the compiled stubs carry them.
"""

from __future__ import annotations

import sys
from importlib import import_module

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet


def main(names: list[str]) -> None:
    found: dict[str, bytes] = {}

    def add(file) -> None:  # noqa: ANN001 - the type differs between protobuf's implementations
        for imported in file.dependencies:
            add(imported)
        found.setdefault(file.name, file.serialized_pb)

    for name in names:
        add(import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2").DESCRIPTOR)
    descriptor_set = FileDescriptorSet(file=map(FileDescriptorProto.FromString, found.values()))
    sys.stdout.buffer.write(descriptor_set.SerializeToString())


if __name__ == "__main__":
    main(sys.argv[1:])
