"""Gathers what exporters of OpenTelemetry log, because only their log lines have the reasons of failures."""

from __future__ import annotations

import logging
import threading
from typing import Self

from gateway.redaction import redact_text

_UNKNOWN = "the collector does not accept it; see the log"
_MAX_REASON = 300


class ExporterMessages(logging.Handler):
    """Gathers the log lines of exporters in this thread, because only they have the reasons of failures.

    Attributes:
        texts: the lines, without secrets.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    @property
    def reason(self) -> str:
        """The first line, which has the reason of the first attempt; a fixed text if there is none."""
        return self.texts[0] if self.texts else _UNKNOWN

    def __enter__(self) -> Self:
        logging.getLogger("opentelemetry").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("opentelemetry").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. The thread that logs calls this method, and not each record knows its thread."""
        if threading.get_ident() == self._thread:
            self.texts.append(redact_text(record.getMessage(), _MAX_REASON))
