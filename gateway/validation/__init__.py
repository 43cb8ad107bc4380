"""Checks of requests against the constraints in the descriptors."""

from gateway.validation.checks import REQUIRED
from gateway.validation.validator import Validator

__all__ = ["REQUIRED", "Validator"]
