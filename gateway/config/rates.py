"""The rates in the configuration, such as `20/second`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

_RATE = re.compile(r"(?P<count>[1-9][0-9]{0,8})/(?P<unit>second|minute|hour|day)")
_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_NAMES = {seconds: unit for unit, seconds in _UNITS_S.items()}


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of events in a time.

    Attributes:
        count: the number of events, at least 1.
        seconds: the time in seconds; a second, a minute, an hour or a day.
    """

    count: int
    seconds: int

    def __str__(self) -> str:
        """Return the rate as it is written in the configuration."""
        return f"{self.count}/{_NAMES[self.seconds]}"


def parse_rate(value: Any) -> Rate:
    """Parse a rate such as `20/second`. The units are second, minute, hour and day.

    Raises:
        ValueError: the value has another form.
    """
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a rate is a number and a unit, as 20/second, 600/minute, 1000/hour or 5000/day")
    return Rate(int(match["count"]), _UNITS_S[match["unit"]])


RateText = Annotated[Rate, BeforeValidator(parse_rate)]
