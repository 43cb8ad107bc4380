from __future__ import annotations

from dataclasses import field, replace

from gateway.value_class import value_class


@value_class(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0
    secret: str = field(default="", repr=False)


@value_class(frozen=True, slots=True, eq=False)
class Place:
    name: str


def test_a_value_is_a_dataclass_with_all_options() -> None:
    point = replace(Point(x=1, secret="hidden"), y=2)
    assert (point.x, point.y, point.secret) == (1, 2, "hidden")
    assert repr(point) == "Point(x=1, y=2)"
    assert not hasattr(point, "__dict__")


def test_values_are_compared_and_hashed_by_their_attributes() -> None:
    assert Point(x=1) == Point(x=1)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_values_that_cannot_be_compared_are_hashed_by_identity() -> None:
    assert Place("a") != Place("a")
    assert len({Place("a"), Place("a")}) == 2
