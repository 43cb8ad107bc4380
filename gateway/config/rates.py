"""The type of rates in the configuration, such as `60/minute`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_RATE = re.compile(r"(?P<count>[1-9][0-9]{0,8})/(?P<unit>second|minute|hour)")
_UNITS_S = {"second": 1, "minute": 60, "hour": 3600}


class Rate(BaseModel):
    """A number of events in a period.

    Attributes:
        count: the number of events.
        seconds: the length of the period in seconds: 1, 60 or 3600.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name, seconds in _UNITS_S.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


def parse_rate(text: Any) -> Any:
    """Parse a rate of the form `N/second`, `N/minute` or `N/hour`.

    Raises:
        ValueError: the text has another form.
    """
    if isinstance(text, Rate):
        return text
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a rate is a number and a period, as 20/second, 60/minute or 1000/hour")
    return Rate(count=int(match["count"]), seconds=_UNITS_S[match["unit"]])


RateText = Annotated[Rate, BeforeValidator(parse_rate)]
