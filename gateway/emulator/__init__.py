"""An in-memory BareMetal ImageService, BootImageService, OperationService and IAM behind a real gRPC server.

The demo and the tests use the emulator instead of the cloud. The emulator keeps its state
only in memory and, unless a test asks for it, checks no credentials: do not use it with real callers.
"""

from gateway.emulator.fault_injection import EVERY_METHOD, InjectedFault
from gateway.emulator.server import Emulator, RecordedCall

__all__ = ["EVERY_METHOD", "Emulator", "InjectedFault", "RecordedCall"]
