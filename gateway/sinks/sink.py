"""The interface of a sink, and the error of a sink that cannot be opened."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """A store of records.

    Attributes:
        is_durable: whether written records are still stored after this process ends.
    """

    is_durable: bool

    def write(self, records: bytes) -> None:
        """Store complete records: all records, or none if there is an error. The method runs in a thread.

        Raises:
            OSError: the records cannot be stored.
        """

    def close(self) -> None:
        """Close the file or the connection."""


class SinkError(Exception):
    """A sink cannot be opened.

    Attributes:
        place: the file or stream that cannot be used.
        key: the key in the configuration section whose value has to change.
        reason: the reason why the file or stream cannot be used.
    """

    def __init__(self, place: str, key: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.key = key
        self.reason = reason
