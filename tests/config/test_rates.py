"""Rates: what is accepted, what it means, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.rates import Rate, RateText, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/second", Rate(20, 1)),
        ("1/minute", Rate(1, 60)),
        ("999999999/hour", Rate(999_999_999, 3600)),
        ("5000/day", Rate(5000, 86400)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rate_is_a_number_and_a_unit(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate
    assert str(rate) == text
    assert TypeAdapter(RateText).validate_python(rate) is rate


@pytest.mark.parametrize(
    "value",
    [
        "",
        "20",
        "0/second",
        "-1/second",
        "1.5/second",
        "20/seconds",
        "20 / second",
        "1000000000/day",
        "1/s",
        20,
        True,
        None,
    ],
    ids=repr,
)
def test_anything_else_is_refused_with_examples(value: Any) -> None:
    with pytest.raises(ValidationError, match="a rate is a number and a unit, as 20/second"):
        TypeAdapter(RateText).validate_python(value)
