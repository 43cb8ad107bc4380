"""The reference of every configuration key, made from the sections themselves: docs/configuration.md."""

from __future__ import annotations

import json
import types
from enum import EnumType
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from gateway.config.sections import Address, Config, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_HEAD = """\
# Configuration

<!-- Written by `make docs` from gateway/config/sections.py: change it there. -->

`baremetal-gateway serve --config gateway.yaml` reads one YAML file (YAML 1.2: `no` is text, not a truth
value). Every key has a default, so the file holds only what differs, and may be left out.

An environment variable overrides a key: `GATEWAY__` and the path to it, with `__` between levels, as
`GATEWAY__REST__LISTEN=0.0.0.0:8080`. Its value is read as YAML, so `GATEWAY__API__SERVICES={a.B: baremetal}`
works too. Names of upstreams and services given in the file or the environment add to the default ones.

Relative paths start at the working directory. Every fault is reported at once, with file, line, column, key
and what is accepted, and the exit code is 2.

Telemetry has no keys here: the standard `OTEL_*` variables configure it (docs/architecture.md).

| key | type | default | meaning |
|---|---|---|---|
"""


def describe(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield path, type, default and meaning of every key, in the order of the sections."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = _section_within(field.annotation)
        meaning = (field.description or "").replace("\n", " ")
        if inner is None:
            yield path, _type_name(field.annotation), _default(field), meaning
            continue
        if get_origin(field.annotation) is dict:
            path = f"{path}.<name>"
        elif not _is_section(field.annotation):
            yield path, "section", _default(field), meaning
        yield from describe(inner, f"{path}.")


def write_reference() -> str:
    """Return the reference as Markdown."""
    rows = (
        f"| `{path}` | {kind} | {f'`{default}`' if default else ''} | {meaning} |"
        for path, kind, default, meaning in describe()
    )
    return _HEAD + "\n".join(rows) + "\n"


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _section_within(annotation: Any) -> type[Section] | None:
    if _is_section(annotation):
        section: type[Section] = annotation
        return section
    return next((found for arg in get_args(annotation) if (found := _section_within(arg))), None)


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal or isinstance(annotation, EnumType):
        return " or ".join(f"`{one}`" for one in arguments or annotation)
    if origin in {Union, types.UnionType}:
        return " or ".join(_type_name(one) for one in arguments if one is not type(None))
    if origin is dict:
        return "map"
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}s"
    if origin is Annotated:
        return _type_name(arguments[0])
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return {**names, Path: "path", Address: "host:port"}[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.default
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float, dict, tuple)):
        return json.dumps(value)
    return str(value)


if __name__ == "__main__":
    print(write_reference(), end="")  # noqa: T201 - what the module is run for
