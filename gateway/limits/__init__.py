"""Limits on the calls that the gateway accepts."""

from gateway.limits.admission import Admission
from gateway.limits.concurrency import ConcurrencyLimit
from gateway.limits.method_names import check_methods
from gateway.limits.slot import Slot

__all__ = ["Admission", "ConcurrencyLimit", "Slot", "check_methods"]
