"""The path of a link, and the object key in the path. A key is decoded once and never normalised.

The gateway refuses a path that different parsers could read differently. Object Storage may read some
characters as a part of the key, while a faulty parser reads the same characters as a delimiter. A faulty
parser may decode the path before it splits the path. It may decode the path twice. It may also drop
characters, or replace characters with similar characters. Keys are described in
https://yandex.cloud/en/docs/storage/concepts/object#key.
"""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize
from urllib.parse import unquote_to_bytes

from gateway.object_storage.link_error import LinkError

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The percent-encoded forms of # . / ? \ and of control characters.
_FORBIDDEN_ESCAPE = re.compile(r"%(?:2[3eEfF]|3[fF]|5[cC]|[01][0-9A-Fa-f]|7[fF])")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_DELIMITERS = r"./\?#%"
# The invisible characters that str.isprintable does not find. They have the Unicode property
# https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def check_path(path: str) -> None:
    """Refuse a percent-encoded path that a faulty parser could read as another path.

    Raises:
        LinkError: the path has a segment `.` or `..`, a malformed percent escape, or an escape that is not
            allowed.
    """
    if "/." in path and any(segment in {".", ".."} for segment in path.split("/")):
        raise LinkError("the path has a segment '.' or '..'; leave it out")
    if "%" not in path:
        return
    if _BAD_ESCAPE.search(path):
        raise LinkError("the path has a '%' without two hexadecimal digits after it; write %25")
    if _FORBIDDEN_ESCAPE.search(path):
        raise LinkError(
            "the path has an encoded dot, slash, backslash, '?', '#' or control character, which some "
            "readers decode too early; write dots and slashes plainly, and rename the object otherwise"
        )


def parse_key(encoded: str) -> str:
    """Percent-decode the key of an object. The path with the key must have passed `check_path`.

    Args:
        encoded: the percent-encoded key.

    Raises:
        LinkError: the key is empty, is not UTF-8, or could be read as another key by a faulty parser.
    """
    if not encoded:
        raise LinkError("the link names no object; write its key after the bucket")
    if encoded.startswith("/"):
        raise LinkError("the object's key starts with '/', which some readers drop; rename the object")
    if "%" not in encoded:
        return encoded
    try:
        key = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        raise LinkError("the object's key is not UTF-8; encode its UTF-8 bytes") from error
    if _ESCAPE.search(key):
        raise LinkError("the object's key is encoded twice; encode it once, or rename the object")
    if not key.isascii():
        _check_letters(key)
    return key


def _check_letters(key: str) -> None:
    """Refuse a key with invisible characters, or with characters that look like delimiters.

    Also refuse a key that Unicode normalisation to NFC would change.
    """
    if not key.isprintable() or _INVISIBLE.search(key):
        raise LinkError("the object's key has a control character or an invisible one; rename the object")
    # https://www.rfc-editor.org/rfc/rfc3987#section-5.3.2.2
    if not is_normalized("NFC", key):
        raise LinkError("the object's key is not in the composed form of Unicode (NFC); rename the object")
    folded = normalize("NFKC", key)
    if any(folded.count(one) != key.count(one) for one in _DELIMITERS) or _ESCAPE.search(folded):
        raise LinkError(
            "the object's key has a look-alike of a dot, a slash or a delimiter; rename the object"
        )
