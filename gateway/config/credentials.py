"""The section of the credentials for upstreams."""

from __future__ import annotations

from typing import Literal

from gateway.config.section import Section


class Credentials(Section):
    """The credentials that are sent to the upstream."""

    type: Literal["passthrough"] = "passthrough"
    """`passthrough`: the caller's own `authorization` is forwarded."""
