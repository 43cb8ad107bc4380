"""Rates in the configuration."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.rates import Rate, RateText, parse_rate


@pytest.mark.parametrize(
    ("text", "count", "seconds"), [("20/second", 20, 1), ("60/minute", 60, 60), ("1/hour", 1, 3600)]
)
def test_rates(text: str, count: int, seconds: int) -> None:
    rate = TypeAdapter(RateText).validate_python(text)
    assert rate == Rate(count=count, seconds=seconds) == parse_rate(rate)
    assert str(rate) == text


@pytest.mark.parametrize(
    "text",
    ["", "20", "0/second", "-1/second", "1.5/minute", "20/s", "20 / second", "1/day", 5, None, "٣/hour"],
)
def test_what_is_no_rate(text: object) -> None:
    with pytest.raises(ValidationError, match="a rate is a number and a period"):
        TypeAdapter(RateText).validate_python(text)
