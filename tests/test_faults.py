"""Faults of what an operator wrote, each with its place, its key and how to mend it."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.faults import Fault, FaultCollector, FaultsError, Path, Position, validation_faults


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Leaf(_Strict):
    size: int = Field(1, ge=1, le=9)
    mode: Literal["fast", "safe"] = "fast"
    kind_of: str = Field("", alias="kind")

    @field_validator("kind_of")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("it must be good")
        return value


class _Root(_Strict):
    name: str
    leaf: _Leaf = _Leaf()
    maybe: _Leaf | None = None
    many: list[_Leaf] = []
    by_name: dict[str, _Leaf] = {}


def faults(**values: Any) -> list[str]:
    def position(path: Path) -> Position:
        return Position("f.yaml", len(path), 7)

    with pytest.raises(ValidationError) as caught:
        _Root.model_validate(values)
    return [str(fault) for fault in validation_faults(caught.value, _Root, position)]


_KEYS = "accepted here: kind, mode, size"

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "missing": ({}, ["f.yaml:1:7: name: is required"]),
    "a near miss": (
        {"name": "", "naem": 1},
        ["f.yaml:1:7: naem: unknown key; did you mean name? accepted here: by_name, leaf, many, maybe, name"],
    ),
    "nothing near": (
        {"name": "", "zzz": 1},
        ["f.yaml:1:7: zzz: unknown key; accepted here: by_name, leaf, many, maybe, name"],
    ),
    "inner": (
        {"name": "", "leaf": {"szie": 1}},
        [f"f.yaml:2:7: leaf.szie: unknown key; did you mean size? {_KEYS}"],
    ),
    "optional": ({"name": "", "maybe": {"x": 1}}, [f"f.yaml:2:7: maybe.x: unknown key; {_KEYS}"]),
    "in a list": ({"name": "", "many": [{}, {"x": 1}]}, [f"f.yaml:3:7: many[1].x: unknown key; {_KEYS}"]),
    "in a mapping": (
        {"name": "", "by_name": {"a": {"x": 1}}},
        [f"f.yaml:3:7: by_name.a.x: unknown key; {_KEYS}"],
    ),
    "choice": (
        {"name": "", "leaf": {"mode": "slow"}},
        ["f.yaml:2:7: leaf.mode: 'slow' is not accepted; use 'fast' or 'safe'"],
    ),
    "out of range": (
        {"name": "", "leaf": {"size": 0}},
        ["f.yaml:2:7: leaf.size: input should be greater than or equal to 1, not 0"],
    ),
    "own check": ({"name": "", "leaf": {"kind": "bad"}}, ["f.yaml:2:7: leaf.kind: 'bad': it must be good"]),
    "wrong type": ({"name": 5}, ["f.yaml:1:7: name: input should be a valid string, not 5"]),
    "wrong type, large": ({"name": {"a": 1}}, ["f.yaml:1:7: name: input should be a valid string"]),
    "all at once": (
        {"leaf": {"size": 10}, "x": 1},
        [
            "f.yaml:1:7: name: is required",
            "f.yaml:2:7: leaf.size: input should be less than or equal to 9, not 10",
            "f.yaml:1:7: x: unknown key; accepted here: by_name, leaf, many, maybe, name",
        ],
    ),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
def test_validation_faults(values: dict[str, Any], expected: list[str]) -> None:
    assert faults(**values) == expected


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(Position("f", 1, 2), "a.b", "wrong"), "f:1:2: a.b: wrong"),
        (Fault(Position("f"), "a.b", "wrong"), "f: a.b: wrong"),
        (Fault(Position("f"), "", "wrong"), "f: wrong"),
    ],
)
def test_text(fault: Fault, text: str) -> None:
    assert str(fault) == text


def test_an_error_holds_all_faults() -> None:
    one, two = Fault(Position("f"), "a", "x"), Fault(Position("f"), "b", "y")
    error = FaultsError(iter([one, two]))
    assert error.faults == (one, two)
    assert str(error) == "f: a: x\nf: b: y"


def test_a_password_in_a_value_is_not_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        _Root.model_validate({"name": "a", "leaf": {"mode": "postgresql://user:s3cret@host/db"}})
    (fault,) = validation_faults(caught.value, _Root, lambda _: Position("f"))
    assert "s3cret" not in str(fault)
    assert "'postgresql://…@host/db' is not accepted" in str(fault)


def test_faults_of_several_parts_are_collected_once_each() -> None:
    first, second = Fault(Position("a"), "x", "is bad"), Fault(Position("b"), "y", "is bad")
    faults = FaultCollector()
    assert not faults
    faults.check()
    for found in ([first], [second, first]):
        with faults.part():
            raise FaultsError(found)
    faults.add(second)
    assert faults
    with pytest.raises(FaultsError) as caught:
        faults.check()
    assert caught.value.faults == (first, second)


def test_other_errors_of_a_part_are_not_collected() -> None:
    faults = FaultCollector()
    with pytest.raises(KeyError), faults.part():
        raise KeyError
    assert not faults
