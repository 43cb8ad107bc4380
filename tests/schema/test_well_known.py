"""The well-known types, compared with what the protobuf library writes for them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.schema import Schema
from gateway.schema.well_known import (
    ANY,
    FREE_FORM,
    LIST_VALUE,
    NULL_WHEN_UNSET,
    SCALAR_IN_JSON,
    SPECIAL_IN_JSON,
    STRUCT,
    VALUE,
    WRAPPERS,
    is_well_known,
)


@pytest.fixture
def pool(schema: Schema) -> DescriptorPool:
    return schema.pool


def _json(pool: DescriptorPool, name: str) -> Any:
    return json_format.MessageToDict(message_factory.GetMessageClass(pool.FindMessageTypeByName(name))())


@pytest.mark.parametrize("name", sorted(SCALAR_IN_JSON))
def test_scalars_are_no_objects_or_arrays(pool: DescriptorPool, name: str) -> None:
    assert not isinstance(_json(pool, name), (dict, list))


def test_wrappers_are_all_of_their_file(pool: DescriptorPool) -> None:
    file = pool.FindFileByName("google/protobuf/wrappers.proto")
    assert {one.full_name for one in file.message_types_by_name.values()} == WRAPPERS


def test_an_empty_list_or_struct_has_a_form_of_its_own(pool: DescriptorPool) -> None:
    assert [_json(pool, name) for name in (LIST_VALUE, STRUCT, ANY)] == [[], {}, {}]
    assert NULL_WHEN_UNSET.isdisjoint({LIST_VALUE, STRUCT, ANY})
    assert _json(pool, VALUE) is None


def test_sets_are_parts_of_each_other() -> None:
    assert SCALAR_IN_JSON | FREE_FORM | {ANY} == SPECIAL_IN_JSON
    assert SCALAR_IN_JSON.isdisjoint(FREE_FORM)


def test_well_known_names() -> None:
    assert all(map(is_well_known, SPECIAL_IN_JSON))
    assert not is_well_known("google.rpc.Status")
    assert not is_well_known("google.protobuffer.Any")
