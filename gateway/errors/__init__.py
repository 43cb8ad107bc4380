"""The errors that end calls. The package also contains the status codes, and texts with field paths."""

from gateway.errors.error import (
    DOMAIN,
    INVALID_REQUEST,
    MAX_VIOLATIONS,
    MORE,
    POLICY_VIOLATION,
    Code,
    EnoughViolationsError,
    FieldViolation,
    GatewayError,
    UpstreamError,
    Violations,
    invalid_request,
    shorten_path,
    summarize,
    to_status,
)
from gateway.errors.field_text import FieldName, FieldText, field_text, rename_fields

__all__ = [
    "DOMAIN",
    "INVALID_REQUEST",
    "MAX_VIOLATIONS",
    "MORE",
    "POLICY_VIOLATION",
    "Code",
    "EnoughViolationsError",
    "FieldName",
    "FieldText",
    "FieldViolation",
    "GatewayError",
    "UpstreamError",
    "Violations",
    "field_text",
    "invalid_request",
    "rename_fields",
    "shorten_path",
    "summarize",
    "to_status",
]
