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
    ignored, metadata, caller = _REPLACED if is_own else _OTHER, call.metadata, call.caller
    parts = [caller.kind, str(len(caller.id)), caller.id]
    for name in sorted(metadata.keys() - ignored):
        value = metadata[name]
        parts += name, value if isinstance(value, str) else value.hex()
    # Different parts have different texts: metadata has no NUL, and the ID of a caller follows its length.
    hasher = _HASHER.copy()
    hasher.update("\0".join(parts).encode(errors="surrogatepass"))
    return hasher.digest()
