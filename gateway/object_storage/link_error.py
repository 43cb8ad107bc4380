"""The error of a text that is not a link to Object Storage."""

from __future__ import annotations


class LinkError(ValueError):
    """A text is not a link to Object Storage; the message says why, and how to fix it.

    The message never shows a part of the text, which may have a signature or a password.
    """
