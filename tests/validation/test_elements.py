"""Elements are counted in all lists and maps of a message, at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import load_schema
from gateway.validation.elements import ElementCounter
from tests.protos.compiled import LIBRARY, descriptor_set

if TYPE_CHECKING:
    from gateway.schema import Schema


@pytest.fixture(scope="module")
def schema() -> Schema:
    services = [LIBRARY, "yandex.cloud.baremetal.v1alpha.ImageService"]
    return load_schema(services, {"library": descriptor_set(LIBRARY)})


def excess(message: Any, limit: int) -> str | None:
    found = ElementCounter(limit).find_excess(message)
    return None if found is None else found.field


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"r_string": [""] * 4}, "r_string"),
        ({"r_string": ["", ""], "m_string": {"a": "", "b": ""}}, "m_string"),
        ({"mask": {"paths": ["a"] * 4}}, "mask.paths"),
        ({"inner": {}, "loop": {}, "r_inner": [{}] * 4}, "r_inner"),
        ({"struct": {"a": [1, 2, 3]}}, 'struct.fields["a"].list_value.values'),
    ],
)
def test_one_more_than_the_limit_is_told_with_its_path(
    schema: Schema, fields: dict[str, Any], path: str
) -> None:
    message = schema.message("test.v1.Everything")(**fields)
    assert excess(message, 3) == path
    assert excess(message, 4) is None


def test_what_an_any_holds_is_counted(schema: Schema) -> None:
    new: Any = schema.message("test.v1.Everything")
    inner = new(r_string=[""] * 4)
    message = new(any={"type_url": "a/test.v1.Everything", "value": inner.SerializeToString()})
    assert excess(message, 3) == "any"
    assert excess(message, 4) is None
    assert excess(new(any={"type_url": "a/no.Such", "value": b"\xff"}), 1) is None
    assert excess(new(any={"type_url": "a/test.v1.Everything", "value": b"\xff"}), 1) is None


def test_a_map_with_a_constraint_of_its_own_is_left_to_that(schema: Schema) -> None:
    create: Any = schema.message("yandex.cloud.baremetal.v1alpha.CreateImageRequest")
    assert excess(create(labels={str(number): "" for number in range(100)}), 3) is None
