"""The identity of a call's credentials. It is kept only in memory, and does not contain the credentials."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from gateway.call import HARMLESS_METADATA

if TYPE_CHECKING:
    from gateway.call import Call

# Metadata that does not change what the upstream lets a caller read.
_OTHER = HARMLESS_METADATA
_REPLACED = _OTHER | {"authorization"}
_KEY = secrets.token_bytes(32)
"""The key of the hash. It is new in each process, so a hash reveals nothing outside of the process."""
_HASHER = hashlib.blake2b(key=_KEY, digest_size=24)


def hash_credentials(call: Call, *, is_own: bool = False) -> bytes:
    """Return a hash of the caller and of the metadata that the upstream may use to authorize the call.

    Args:
        call: the call.
        is_own: whether the upstream receives credentials of the gateway's own instead of the caller's.
    """
    ignored = _REPLACED if is_own else _OTHER
    sent = sorted([pair for pair in call.metadata.items() if pair[0] not in ignored])
    text = repr((call.caller.kind, call.caller.id, sent))  # different values have different texts
    hasher = _HASHER.copy()
    hasher.update(text.encode(errors="surrogatepass"))
    return hasher.digest()
