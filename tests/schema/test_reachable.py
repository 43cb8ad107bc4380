"""The types that messages can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.schema import reachable_types

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor


def test_types_at_any_depth_once_each(types: dict[str, Descriptor]) -> None:
    assert reachable_types([types["Plain"]]) == {"kinds.Plain", "kinds.Plain.LeavesEntry", "kinds.Leaf"}
    assert reachable_types([types["Inner"]]) == {"kinds.Inner", "google.protobuf.Any"}


def test_of_several_types_together(types: dict[str, Descriptor]) -> None:
    assert reachable_types([types["Leaf"], types["Inner"]]) == {
        "kinds.Leaf",
        "kinds.Inner",
        "google.protobuf.Any",
    }
    assert reachable_types([]) == set()
