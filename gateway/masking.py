"""Texts that may be shown: secrets hidden, control characters escaped, length bounded.

A link's query can be a signature that grants access to the object, and its user
info a password: neither ever leaves the process in a message, log or record.
"""

from __future__ import annotations

import json
import re

_MAX_SHOWN = 120
# Without the scheme: to look for one takes quadratic time on a long text that has none.
# An apostrophe is a character that links may have: what follows it may be a secret still.
_LINK = re.compile(r"://[^\s\"<>]+")
# A text that is nothing but a link: whatever it holds, the link ends where the text does.
_WHOLE_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://")
_WHOLE_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")
_USER_INFO = re.compile(r"(?<=//)[^/?#]*@")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
# A signature outside of a link, as a careless message may hold it.
_SIGNATURE = re.compile(
    r"(X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)"
    r"([\"']?\s{0,8}(?:=|%3D|:)\s{0,8}[\"']?)[^&\s\"']+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic|t1\.)[\s:]{0,8}[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# Tokens that say themselves what they are: JSON web tokens, and the cloud's OAuth tokens and API keys.
_TOKEN = re.compile(r"\b(eyJ|y0_|AQVN)[A-Za-z0-9._~+/=-]{16,}")

# A link's signature has 64 digits; a text may hold it without the link around it.
_DIGITS = re.compile(r"[0-9A-Fa-f]{40,}")

# One of these stands in every text with something to hide: most texts of a log line are through at once.
_TRACES = (
    "://", "x-amz-", "awsaccesskeyid", "signature", "bearer", "basic", "t1.", "eyj", "y0_", "aqvn",
)  # fmt: skip

HIDDEN = "…"


def mask(text: str) -> str:
    """Return the text without user info, queries and fragments of links, signatures and tokens."""
    folded = text.casefold()
    if not any(trace in folded for trace in _TRACES):
        return text
    # Signatures first: a link ends at a space or a quote, what follows may still be its signature.
    text = _SIGNATURE.sub(rf"\1\2{HIDDEN}", text)
    text = _LINK.sub(lambda match: _mask_link(match[0]), text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _TOKEN.sub(rf"\1{HIDDEN}", text)


def mask_value(text: str) -> str:
    """Return the value of a field as it may be shown: a link is masked to the end of the text."""
    if _WHOLE_LINK.match(text):
        text = _QUERY.sub(lambda match: match[0][0] + HIDDEN, text)
        text = _WHOLE_USER_INFO.sub(f"{HIDDEN}@", text)
    return mask(text)


def mask_signatures(text: str) -> str:
    """Return the text without what could be the digits of a signature."""
    return _DIGITS.sub(HIDDEN, text)


def hide_secrets(text: str) -> str:
    """Return a text masked, and without what could be the digits of a signature."""
    return mask_signatures(mask(text))


def _mask_link(link: str) -> str:
    link = _USER_INFO.sub(f"{HIDDEN}@", link)
    return _QUERY.sub(lambda match: match[0][0] + HIDDEN, link)


def quote(text: str) -> str:
    """Return the text masked, in double quotes, on one line, cut to a readable length."""
    shown = mask_value(text)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + HIDDEN
    quoted = json.dumps(shown, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in quoted)
