"""The key under which the calls of a caller are counted."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.addresses import address_key

if TYPE_CHECKING:
    from gateway.call import Caller

_LONGEST = 128

_key_of_address = lru_cache(maxsize=4096)(address_key)


def caller_key(caller: Caller) -> str:
    """Return the key under which the calls of a caller are counted.

    The key of a caller that was identified is its kind and name. The key of an anonymous caller is its
    address; the key of an IPv6 address is its /64 network. A long name is replaced by its digest, so that
    the keys need little memory.
    """
    if not caller.id:
        return f"address:{_key_of_address(caller.address)}"
    name = caller.id
    if len(name) > _LONGEST:
        name = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{caller.kind}:{name}"
