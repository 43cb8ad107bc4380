"""How large fields can be, by the constraints of the cloud's own API and of others."""

from __future__ import annotations

import pytest

from gateway.schema import FieldSizes, Schema, descriptor_of, read_sizes
from tests.policy.making import CREATE

LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"
UPDATE = "yandex.cloud.baremetal.v1alpha.ImageService/Update"

SIZES = [
    (CREATE, "uri", FieldSizes(text=1024, key=0, elements=None)),
    (CREATE, "name", FieldSizes(text=63, key=0, elements=None)),
    (CREATE, "labels", FieldSizes(text=63, key=63, elements=64)),
    (LIST, "filter", FieldSizes(text=None, key=0, elements=None)),
    (LIST, "page_size", FieldSizes(text=0, key=0, elements=None)),
    (UPDATE, "update_mask", FieldSizes(text=0, key=0, elements=None)),
]


@pytest.mark.parametrize(("method", "field", "sizes"), SIZES)
def test_sizes_of_fields(schema: Schema, method: str, field: str, sizes: FieldSizes) -> None:
    assert read_sizes(descriptor_of(schema.known[method].request).fields_by_name[field]) == sizes


def test_a_list_within_a_message(schema: Schema) -> None:
    paths = descriptor_of(schema.message("google.protobuf.FieldMask")).fields_by_name["paths"]
    assert read_sizes(paths) == FieldSizes(text=None, key=0, elements=None)
