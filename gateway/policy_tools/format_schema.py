"""The JSON Schema of a bundle's documents. Editors use the schema for completion and for checks."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from gateway.policy.model import Binding, Params, Policy, Waiver
from gateway.policy.suite_model import Suite

_Document = Annotated[Policy | Binding | Params | Waiver | Suite, Field(discriminator="kind")]


def format_schema() -> dict[str, Any]:
    """Return the JSON Schema (version 2020-12) for a document of any kind in a bundle."""
    schema = TypeAdapter[Any](_Document).json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a bundle of policies",
        **_for_editors(schema),
    }


def _for_editors(value: Any) -> Any:
    """Return a JSON Schema without the parts that editors should not show.

    These parts are the titles that pydantic makes from names, and the `Attributes:` sections in descriptions.
    """
    if isinstance(value, list):
        return [_for_editors(one) for one in value]
    if not isinstance(value, dict):
        return value
    cleaned = {key: _for_editors(one) for key, one in value.items() if not _is_made_up(key, one)}
    if isinstance(cleaned.get("description"), str):
        cleaned["description"] = cleaned["description"].partition("\n\nAttributes:")[0]
    return cleaned


def _is_made_up(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)  # if a property is named title, its value is a dict
