"""Compiles proto/ into the two descriptor sets that the package ships."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path
from typing import Any

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "gateway/descriptors.binpb"
INFRASTRUCTURE_TARGET = "gateway/infrastructure.binpb"  # the services of gRPC itself: health, reflection
INFRASTRUCTURE = "grpc/"

# No file of proto/ imports these: bodies of further services, and types that errors and operations
# pack into an Any.
ALSO = [
    "google/api/httpbody.proto",
    "google/rpc/error_details.proto",
    *(f"google/protobuf/{name}.proto" for name in ("duration", "empty", "struct", "wrappers")),
]


def compile_descriptors(root: Path) -> None:
    """Write the descriptor sets of all .proto files, with all that they import.

    Raises:
        RuntimeError: protoc failed; it has printed the reason.
    """
    protos = root / "proto"
    own = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    infrastructure = [name for name in own if name.startswith(INFRASTRUCTURE)]
    api = [name for name in own if name not in infrastructure]
    _compile(protos, root / TARGET, [*api, *ALSO])
    _compile(protos, root / INFRASTRUCTURE_TARGET, infrastructure)
    _keep_own_comments(root / TARGET, set(api))
    _keep_own_comments(root / INFRASTRUCTURE_TARGET, set())


def _compile(protos: Path, target: Path, names: list[str]) -> None:
    arguments = [
        "protoc",
        f"--proto_path={protos}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--proto_path={_common_protos()}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={target}",
        *names,
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed on proto/: see its messages above")


def _keep_own_comments(target: Path, own: set[str]) -> None:
    """Reduce the source info to the comments of our own files, which the OpenAPI document shows."""
    descriptor_set = FileDescriptorSet.FromString(target.read_bytes())
    for file in descriptor_set.file:
        locations = file.source_code_info.location
        kept = [one for one in locations if file.name in own and one.leading_comments + one.trailing_comments]
        for location in kept:
            location.ClearField("span")
            location.ClearField("leading_detached_comments")
        del locations[:]
        locations.extend(kept)
        if not kept:
            file.ClearField("source_code_info")
    target.write_bytes(descriptor_set.SerializeToString(deterministic=True))


def _common_protos() -> Path:
    """Return the folder with the .proto files of google/api and google/rpc."""
    for file in files("googleapis-common-protos") or []:
        if file.name == "annotations.proto":
            return Path(str(file.locate())).parents[2]
    raise RuntimeError("the package googleapis-common-protos ships no .proto files")


class DescriptorSetHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before every build, also that of an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the signature of the hook
        """Compile before the files of the build are gathered."""
        compile_descriptors(Path(self.root))
