"""An in-memory BareMetal ImageService and OperationService behind a real gRPC server.

The demo and the tests use it in place of the cloud. Its state is lost when it is dropped,
and it checks no credentials: do not use it with real callers.
"""

from gateway.emulator.fault_injection import EVERY_METHOD, InjectedFault
from gateway.emulator.server import Emulator, RecordedCall

__all__ = ["EVERY_METHOD", "Emulator", "InjectedFault", "RecordedCall"]
