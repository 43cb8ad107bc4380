"""Requests against the constraints of their descriptors."""

from gateway.validation.validator import Validator

__all__ = ["Validator"]
