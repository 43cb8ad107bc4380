"""The interface of a sink, and the error of a sink that cannot be opened."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """A place that keeps records.

    Attributes:
        is_durable: what was written outlives this process.
    """

    is_durable: bool

    def write(self, records: bytes) -> None:
        """Keep whole records, all of them or none; runs in a thread.

        Raises:
            OSError: they cannot be kept.
        """

    def close(self) -> None:
        """Close the file or the connection."""


class SinkError(Exception):
    """A sink cannot be opened.

    Attributes:
        place: the file, or what else cannot be used.
        key: the key of the configuration section that has to change.
        reason: why it cannot be used.
    """

    def __init__(self, place: str, key: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.key = key
        self.reason = reason
