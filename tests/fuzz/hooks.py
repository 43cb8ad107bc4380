"""Checks of the fuzzer that know whose answer it is. Loaded by schemathesis itself."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

_OWN = "baremetal-gateway"


@schemathesis.check
def gateway_takes_valid_requests(ctx: Any, response: Any, case: Any) -> bool | None:
    """To the gateway a valid request is not malformed; the cloud may ask for more than it documents."""
    if response.status_code == 400 and response.content and not _is_own(response.json()):
        return None
    return positive_data_acceptance(ctx, response, case)


def _is_own(status: dict[str, Any]) -> bool:
    return any(detail.get("domain") == _OWN for detail in status.get("details", ()))
