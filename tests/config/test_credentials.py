"""The section of the credentials for upstreams."""

from __future__ import annotations
