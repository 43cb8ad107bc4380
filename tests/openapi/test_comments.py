"""Comments of .proto files."""

from __future__ import annotations

from gateway.openapi import read_comments
from gateway.schema import builtin_descriptors
from tests.protos.compiled import ODD, descriptor_set


def test_of_our_own_files() -> None:
    comments = read_comments([builtin_descriptors()])
    package = "yandex.cloud.baremetal.v1alpha"
    assert comments[f"{package}.ImageService"] == "Boot images of a folder."
    assert comments[f"{package}.CreateImageRequest.uri"] == "Link to an ISO file in Object Storage."
    assert comments[f"{package}.Image.Status.READY"] == "Servers can be installed from it."
    assert comments[f"{package}.ImageService.ListOperations"].startswith("What has been done")
    assert not any(name.startswith("google.") for name in comments)


def test_of_a_set_without_source_info() -> None:
    data = descriptor_set(ODD)
    assert read_comments([data]) == {}
    assert read_comments([data, builtin_descriptors()])
