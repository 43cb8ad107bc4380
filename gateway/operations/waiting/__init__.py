"""Waiting for operations: many callers wait for one operation, and one task polls the upstream for all."""

from gateway.operations.waiting.hub import STOPPING, WaitingHub
from gateway.operations.waiting.methods import WATCH, WaitingMethods
from gateway.operations.waiting.operation_state import state_id

__all__ = ["STOPPING", "WATCH", "WaitingHub", "WaitingMethods", "state_id"]
