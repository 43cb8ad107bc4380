"""Documents of bundles, with defaults for what a test is not about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml

from gateway.call import Caller

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"{SERVICE}/Create"
UNKNOWN_CALLER = Caller()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def policy_text(*rules: str | dict[str, Any], name: str = "p", **spec: Any) -> str:
    """A policy for Create; a text is the assertion of a rule that is called r0, r1, …"""
    full = [
        {"name": f"r{index}", "assert": rule} if isinstance(rule, str) else {"name": f"r{index}", **rule}
        for index, rule in enumerate(rules)
    ]
    return _document("Policy", name, {"methods": [CREATE], **spec, "rules": full})


def binding_text(name: str = "b", policy: str = "p", **spec: Any) -> str:
    return _document("Binding", name, {"policy": policy, **spec})


def _document(kind: str, name: str, spec: dict[str, Any]) -> str:
    document = {"apiVersion": "baremetal-gateway/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=10_000)
