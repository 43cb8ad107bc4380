"""The section of the identification of callers."""

from __future__ import annotations

from typing import Literal

from gateway.config.section import Section

_CALLER_FIELDS = {"none": frozenset({"address"})}


class Callers(Section):
    """The identification of callers."""

    type: Literal["none"] = "none"
    """`none`: callers are not identified; the upstream checks their credentials."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `caller` that have values under this configuration. All other fields are empty."""
        return _CALLER_FIELDS[self.type]
