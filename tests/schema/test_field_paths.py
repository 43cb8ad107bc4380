"""Paths of field names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.schema import find_fields, show_key

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor


@pytest.mark.parametrize(
    "path", ["text", "inner", "inner.inner.name", "numbers", "inners", "time", "wrapped", "free", "c.name"]
)
def test_a_path_leads_to_its_fields(kinds: Descriptor, path: str) -> None:
    fields = find_fields(kinds, path.split("."))
    assert fields is not None
    assert ".".join(one.name for one in fields) == path


@pytest.mark.parametrize(
    "path",
    [
        "unknown",
        "inner.unknown",
        "text.length",
        "byName",
        # JSON sets these as a whole: nothing leads into them.
        "inners.name",
        "by_name.value",
        "time.seconds",
        "wrapped.value",
        "free.fields",
        "any.value",
    ],
)
def test_a_path_that_leads_to_no_field_that_json_can_set(kinds: Descriptor, path: str) -> None:
    assert find_fields(kinds, path.split(".")) is None


@pytest.mark.parametrize(
    ("key", "text"), [("a", '"a"'), ('a"b', '"a\\"b"'), (5, "5"), (-1, "-1"), (True, "true")]
)
def test_keys(key: object, text: str) -> None:
    assert show_key(key) == text
