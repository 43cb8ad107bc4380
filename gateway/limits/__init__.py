"""Limits on the calls that the gateway accepts."""

from gateway.limits.concurrency import ConcurrencyLimit, Slot

__all__ = ["ConcurrencyLimit", "Slot"]
