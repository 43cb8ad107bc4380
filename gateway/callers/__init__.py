"""Identifies callers by client certificates, JSON web tokens and tokens, and finds their addresses."""

from gateway.callers.identifier import OPEN_SERVICES, CallerIdentifier

__all__ = ["OPEN_SERVICES", "CallerIdentifier"]
