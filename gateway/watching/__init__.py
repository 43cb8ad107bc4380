"""Reloads files that have changed: certificates, keys and tokens."""

from gateway.watching.files import INTERVAL_S, FileWatch

__all__ = ["INTERVAL_S", "FileWatch"]
