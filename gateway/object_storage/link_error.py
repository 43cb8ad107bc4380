"""The error for a text that is not a valid link to Object Storage."""

from __future__ import annotations


class LinkError(ValueError):
    """A text is not a valid link to Object Storage. The error message describes the fault and the fix.

    The error message contains no part of the text except the known names of parameters, because the text may
    contain a signature or a password.
    """
