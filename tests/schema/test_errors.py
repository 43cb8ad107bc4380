"""Faults in descriptors, with the file and the element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.faults import Fault, FaultsError, Position
from gateway.schema import SchemaError, field_fault

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor


@pytest.mark.parametrize(
    ("name", "key"),
    [("text", "kinds.Kinds.text"), ("by_name", "kinds.Kinds.by_name"), ("c", "kinds.Kinds.c")],
)
def test_the_fault_of_a_field(kinds: Descriptor, name: str, key: str) -> None:
    fault = field_fault(kinds.fields_by_name[name], "is wrong")
    assert fault == Fault(Position("given.proto"), key, "is wrong")
    assert str(fault) == f"given.proto: {key}: is wrong"


def test_operators_see_it_as_any_other_fault() -> None:
    faults = [Fault(Position("a.proto"), "a.M", "is wrong"), Fault(Position("b.proto"), "", "is missing")]
    with pytest.raises(FaultsError) as caught:
        raise SchemaError(faults)
    assert caught.value.faults == tuple(faults)
    assert str(caught.value) == "a.proto: a.M: is wrong\nb.proto: is missing"
