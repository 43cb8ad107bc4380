"""Why a text is no link to Object Storage."""

from __future__ import annotations


class LinkError(ValueError):
    """A text is no link to Object Storage; the message says why and how to mend it.

    The message never shows a part of the text: signatures and passwords stand in links.
    """
