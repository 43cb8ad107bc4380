"""The interface of sinks, and the error for a sink that cannot be opened."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """The interface of a sink. A sink stores records.

    Attributes:
        is_durable: whether the sink itself keeps the records after the gateway process ends.
    """

    is_durable: bool

    def write(self, records: bytes) -> None:
        """Store records. This method runs in a worker thread.

        Args:
            records: the complete records as JSON lines.

        Raises:
            OSError: the records cannot be stored.
        """

    def close(self) -> None:
        """Release the resources of the sink."""


class SinkError(Exception):
    """A sink cannot be opened.

    Attributes:
        place: the name of the file or stream that cannot be used.
        key: the name of the configuration key that has the wrong value.
        reason: the reason why the file or stream cannot be used.
    """

    def __init__(self, place: str, key: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.key = key
        self.reason = reason
