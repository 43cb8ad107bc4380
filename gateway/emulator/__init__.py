"""An in-memory BareMetal ImageService and OperationService behind a real gRPC server.

It stands in for the cloud in the demo and in tests. What it keeps dies with it,
and it checks no credentials: it never belongs in front of real callers.
"""

from gateway.emulator.faults import EVERY_METHOD, Fault
from gateway.emulator.server import Emulator, RecordedCall

__all__ = ["EVERY_METHOD", "Emulator", "Fault", "RecordedCall"]
