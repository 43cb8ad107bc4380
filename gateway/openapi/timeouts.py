"""The range of the timeout of a wait, which the configuration of the gateway sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.openapi.keywords import Definition

WAIT = "baremetal_gateway.v1.Operations/Wait"


def limit_timeout(document: Definition, max_s: float) -> None:
    """Add the range of the timeout to the OpenAPI document.

    Args:
        document: the document.
        max_s: the longest timeout, in seconds.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation["x-grpc-method"] == WAIT:
                for parameter in operation["parameters"]:
                    if parameter.get("name") == "timeout":
                        parameter["schema"] = {"type": "string", "pattern": seconds_pattern(int(max_s))}
                        parameter["description"] += f"\nFrom 0s to {max_s:g}s."


def seconds_pattern(longest: int) -> str:
    """Return the pattern of durations from 0 to a number of whole seconds, such as `1.5s`."""
    exact = rf"{longest}(?:\.0{{1,9}})?"
    if longest == 0:
        return f"^{exact}s$"
    return rf"^(?:(?:{_numbers_up_to(longest - 1)})(?:\.[0-9]{{1,9}})?|{exact})s$"


def _numbers_up_to(last: int) -> str:
    """Return the pattern of whole numbers from 0 to a last one. The first digit may be 0."""
    digits = str(last)
    forms = [f"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    for index, digit in enumerate(digits):
        left = len(digits) - index - 1
        if digit != "0":
            forms.append(f"{digits[:index]}[0-{int(digit) - 1}]" + (f"[0-9]{{{left}}}" if left else ""))
    return "|".join([*forms, digits])
