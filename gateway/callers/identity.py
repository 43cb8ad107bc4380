"""Who a credential identifies, and the error for a credential that identifies nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CERTIFICATE = "mtls"
"""The kind of callers that client certificates identify."""

MAX_NAME = 512
"""The maximum length of the name of a caller or a group, in characters."""

MAX_CLAIM = 2048
"""The maximum length of the text of a claim, in characters. Longer claims are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdentity:
    """The facts about a caller that a credential proves.

    Attributes:
        kind: the kind of the caller: `mtls`, `jwt` or `token`.
        id: the name of the caller.
        groups: the groups of the caller.
        claims: the further attributes of the caller.
    """

    kind: str
    id: str
    groups: tuple[str, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)


class CredentialError(Exception):
    """The error for a credential that is present, but wrong. It never contains a part of the credential.

    Attributes:
        problem: the problem in UPPER_SNAKE_CASE. The number of different problems is small.
        text: the problem in words. The text continues a sentence whose subject is the credential.
    """

    def __init__(self, problem: str, text: str) -> None:
        super().__init__(f"{problem}: {text}")
        self.problem = problem
        self.text = text


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a caller or a group.

    Names are shown in logs and records, and stored in databases. So they contain no control characters and no
    code points that UTF-8 cannot encode.
    """
    return 0 < len(text) <= MAX_NAME and text.isprintable()


def is_claim_text(text: str) -> bool:
    """Return whether a text can be the value of a claim. PostgreSQL stores no NUL."""
    if len(text) > MAX_CLAIM or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # an escape in JSON can be a half of a surrogate pair
        return False
    return True
