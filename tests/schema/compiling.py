"""The compiler of the build, for the .proto files of tests."""

from __future__ import annotations

from importlib.metadata import files as distribution_files
from pathlib import Path
from typing import TYPE_CHECKING

import grpc_tools
from grpc_tools import protoc

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence


def compile_protos(
    folder: Path,
    target: Path,
    *,
    imports: bool = True,
    comments: bool = False,
    files: Sequence[str] = (),
) -> bytes:
    """Return the serialized FileDescriptorSet of files in a folder: those named, or all .proto files."""
    annotations = next(
        one for one in distribution_files("googleapis-common-protos") or () if one.name == "annotations.proto"
    )
    roots: Sequence[Path] = (
        folder,
        ROOT / "proto",
        Path(grpc_tools.__file__).parent / "_proto",
        Path(str(annotations.locate())).parents[2],
    )
    arguments = [
        "protoc",
        *(f"--proto_path={root}" for root in roots),
        *(["--include_imports"] if imports else []),
        *(["--include_source_info"] if comments else []),
        f"--descriptor_set_out={target}",
        *(files or sorted(path.name for path in folder.glob("*.proto"))),
    ]
    assert protoc.main(arguments) == 0, f"protoc refused {folder}"
    return target.read_bytes()


def compile_text(folder: Path, text: str, *, imports: bool = True) -> bytes:
    """Return the set of one file, given as the text behind its syntax line."""
    (folder / "given.proto").write_text(f'syntax = "proto3";\n{text}\n', encoding="utf-8")
    return compile_protos(folder, folder / "given.binpb", imports=imports)
