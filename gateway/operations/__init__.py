"""Work on calls after their responses: settling changes of unknown outcome, and following operations."""

from gateway.operations.service import OperationsService

__all__ = ["OperationsService"]
