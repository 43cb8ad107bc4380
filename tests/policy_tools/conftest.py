"""The fixtures of policies, for the tools too."""

from __future__ import annotations

from tests.policy.conftest import decide, evaluate, load, make_request, refuse

__all__ = ["decide", "evaluate", "load", "make_request", "refuse"]
