"""Who calls: what listeners find out, and policies and records see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of one call. What is not known is empty.

    Attributes:
        id: name of the caller, unique within its kind.
        kind: how it was identified: `none`, `mtls`, `jwt` or `token`.
        groups: groups or roles that it belongs to.
        address: IP address of the peer, which may be a proxy.
        claims: further facts that the identity carries, each as text.
    """

    id: str = ""
    kind: str = "none"
    groups: tuple[str, ...] = ()
    address: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
