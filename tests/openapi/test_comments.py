"""Comments of .proto files."""

from __future__ import annotations

import pytest

from gateway.openapi import read_comments
from gateway.schema import builtin_descriptors
from tests.openapi.conftest import FOLDERS
from tests.schema.compiling import compile_protos


def test_of_our_own_files() -> None:
    comments = read_comments([builtin_descriptors()])
    package = "yandex.cloud.baremetal.v1alpha"
    assert comments[f"{package}.ImageService"] == "Boot images of a folder."
    assert comments[f"{package}.CreateImageRequest.uri"] == "Link to an ISO file in Object Storage."
    assert comments[f"{package}.Image.Status.READY"] == "Servers can be installed from it."
    assert comments[f"{package}.ImageService.ListOperations"].startswith("What has been done")
    assert not any(name.startswith("google.") for name in comments)


def test_of_a_set_without_source_info(tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("set") / "odd.binpb"
    data = compile_protos(FOLDERS["odd.v1.Odd"], target)
    assert read_comments([data]) == {}
    assert read_comments([data, builtin_descriptors()])
