"""The format of a bundle's documents as a JSON Schema, from which editors complete and check."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from gateway.policy.model import Binding, Params, Policy, Waiver
from gateway.policy.suite_model import Suite

_Document = Annotated[Policy | Binding | Params | Waiver | Suite, Field(discriminator="kind")]


def format_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one document of a bundle."""
    schema = TypeAdapter[Any](_Document).json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a bundle of policies",
        **schema,
    }
