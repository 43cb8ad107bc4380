"""Checks of requests by the constraints in their descriptors."""

from gateway.validation.checks import REQUIRED
from gateway.validation.validator import Validator

__all__ = ["REQUIRED", "Validator"]
