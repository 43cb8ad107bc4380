"""The result of the function objectStorage() in CEL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.object_storage import extension_of

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message

    from gateway.object_storage.link import LinkParts

_NOTHING: tuple[str, str, str, str, str, None] = ("", "", "", "", "", None)


class LinkValue:
    """A link to Object Storage, as Python code reads it.

    The attributes are those of the message type that the engine reads. Most conditions need no engine, and to
    make and read a protobuf message takes ten times as long.

    Attributes:
        problem: the reason why a text is not a link; empty if it is one. In this case, the other attributes
            describe the link. Otherwise they are empty.
    """

    __slots__ = (
        "_make", "bucket", "expires", "extension", "host", "key", "presigned", "problem", "scheme", "style",
    )  # fmt: skip

    def __init__(self, make: type[Message], parts: LinkParts | None, problem: str = "") -> None:
        """Initialize the value.

        Args:
            make: the class of the message type.
            parts: the parts of the link; None if the text is not a link.
            problem: the reason why the text is not a link.
        """
        self._make = make
        self.problem = problem
        found: tuple[str, str, str, str, str, datetime | None] = parts or _NOTHING
        self.scheme, self.host, self.bucket, self.key, self.style, self.expires = found
        self.extension = extension_of(self.key)
        self.presigned = self.expires is not None

    def to_message(self) -> Message:
        """Return the message that the engine reads."""
        return self._make(
            problem=self.problem,
            scheme=self.scheme,
            host=self.host,
            bucket=self.bucket,
            key=self.key,
            extension=self.extension,
            style=self.style,
            presigned=self.presigned,
            expires=self.expires,
        )
