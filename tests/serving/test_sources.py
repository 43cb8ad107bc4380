"""Descriptors that a configuration names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.faults import FaultsError
from gateway.serving.sources import describe_api, hash_descriptors, read_sources
from tests.schema.compiling import compile_text


@pytest.mark.parametrize(
    ("rule", "option", "fault"),
    [
        ("/v1/{nome}", "", "given.proto: bad.S/Do: the path sets 'nome'"),
        ("/v1/{", "", "given.proto: bad.S/Do: bad path template"),
        ("/v1", '[(yandex.cloud.length) = "x"]', "given.proto: bad.M.name: 'x' is not a range"),
    ],
)
def test_descriptors_that_cannot_be_served_are_not_described(
    tmp_path: Path, rule: str, option: str, fault: str
) -> None:
    text = f"""
        package bad;
        import "google/api/annotations.proto";
        import "yandex/cloud/validation.proto";
        message M {{ string name = 1 {option}; }}
        service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ get: "{rule}" }}; }} }}
    """
    compile_text(tmp_path, text)
    sections = {"descriptor_sets": [str(tmp_path / "given.binpb")], "services": {"bad.S": "baremetal"}}
    config = load_config(None, {"GATEWAY__API": json.dumps(sections)})
    with pytest.raises(FaultsError) as caught:
        describe_api(config)
    assert str(caught.value).startswith(fault)


def test_every_file_that_cannot_be_read_is_named() -> None:
    config = load_config(
        None, {"GATEWAY__API__DESCRIPTOR_SETS": "[/nowhere.binpb]", "GATEWAY__POLICIES__PATH": "/absent"}
    )
    with pytest.raises(FaultsError) as caught:
        read_sources(config)
    assert [fault.key for fault in caught.value.faults] == ["api.descriptor_sets[0]", "policies.path"]


def test_the_hash_of_descriptors_changes_with_each_set_and_their_order() -> None:
    found = [
        hash_descriptors(sets)
        for sets in (
            {},
            {"a": b"1"},
            {"a": b"2"},
            {"a": b"1", "b": b"2"},
            {"b": b"2", "a": b"1"},
            {"a": b"12"},
        )
    ]
    assert len(set(found)) == len(found)
    assert all(one.startswith("sha256:") and len(one) == 71 for one in found)
    assert hash_descriptors({"a": b"1"}) == hash_descriptors({"other": b"1"})
