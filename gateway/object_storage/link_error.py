"""The error of a text that is not a link to Object Storage."""

from __future__ import annotations


class LinkError(ValueError):
    """A text is not a link to Object Storage. The error message describes the fault and the fix.

    The error message never contains a part of the text, because the text may have a signature or a password.
    """
