"""The section of the log on standard error."""

from __future__ import annotations

from typing import Literal

from gateway.config.section import Section


class LogSection(Section):
    """The log on standard error. Variables of OpenTelemetry send its lines to a collector too."""

    format: Literal["auto", "json", "text"] = "auto"
    """`json`: one JSON object a line; `text`: for people; `auto`: `text` on a terminal, else `json`."""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is written. The option `--log-level` overrides it."""
