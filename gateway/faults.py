"""Faults in the configuration, in policies and in descriptor sets.

All faults of a file are found in one pass and reported together. A fault contains a
position, a key, and advice on how to fix the fault.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from pydantic import BaseModel

from gateway.redaction import REDACTED, redact_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

UNION_TAGS = frozenset({"<text>", "<methods>"})
"""Tags of unions in models. Pydantic adds them to the paths of errors, but they are no keys of documents."""

_MAX_SHOWN = 200
_YAML_WORDS = {True: "true", False: "false", None: "null"}

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the root of a document to a value."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a file.

    Attributes:
        file: the name of the file.
        line: the number of the line, from 1; 0 for the whole file.
        column: the number of the column, from 1; 0 for the whole file.
        source: the text of the line. It is shown below a fault, and ignored when positions are compared.
    """

    file: str
    line: int = 0
    column: int = 0
    source: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the position in the file, the key that has the fault, and the error message."""

    position: Position
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.position), self.key, self.message) if part)


class FaultsError(Exception):
    """The error for a configuration, a bundle or a descriptor set with faults. No part of it is used."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class SecretValueError(ValueError):
    """The error that a validator raises for a value that may contain a secret.

    The fault shows neither the value nor the line of the file. So the message has to describe the value.
    """


class FaultCollector:
    """Collects the faults of several parts of an input, so that all faults are reported together."""

    def __init__(self) -> None:
        self._faults: dict[Fault, None] = {}

    def __bool__(self) -> bool:
        """Return whether faults were collected."""
        return bool(self._faults)

    def add(self, fault: Fault) -> None:
        """Add one fault."""
        self._faults[fault] = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Return a context manager that catches a FaultsError in its block and collects the faults."""
        try:
            yield
        except FaultsError as error:
            self._faults |= dict.fromkeys(error.faults)

    def check(self) -> None:
        """Raise an error if faults were collected.

        Raises:
            FaultsError: faults were collected. The error contains each fault once, in the order of discovery.
        """
        if self._faults:
            raise FaultsError(self._faults)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the hint `; did you mean …?` for the known name that is most similar to `name`.

    The hint is empty if no known name is similar.
    """
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def validation_faults(
    error: ValidationError, model: type[BaseModel], position: Callable[[Path], Position]
) -> list[Fault]:
    """Return a fault for each error that a pydantic model found.

    Args:
        error: the exception that the model raised.
        model: the model of the whole document. The model defines which keys are accepted.
        position: a function that takes a path in the document, and returns the position of the value.
    """
    return [_fault(item, model, position) for item in error.errors(include_url=False, include_context=True)]


def _fault(item: ErrorDetails, model: type[BaseModel], position: Callable[[Path], Position]) -> Fault:
    path: Path = tuple(part for part in item["loc"] if part not in UNION_TAGS)
    item = {**item, "loc": path}
    reason = item.get("ctx", {}).get("error")
    if isinstance(reason, SecretValueError):
        return Fault(replace(position(path), source=""), key_of(path), str(reason))
    return Fault(position(path), key_of(path), _message(item, model))


def key_of(path: Path) -> str:
    """Return the text form of a path in a document, such as `spec.rules[0].assert`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _message(item: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value = item["type"], item.get("input")
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return _unknown_key(item["loc"], model)
    shown = _show(value, str(item["loc"][-1]) if item["loc"] else "")
    if kind == "literal_error":
        return f"{shown} is not accepted; use {item['ctx']['expected']}"
    if kind == "value_error":
        reason = str(item["ctx"]["error"])
        return reason if isinstance(value, (dict, BaseModel)) else f"{shown}: {reason}"
    text = item["msg"][:1].lower() + item["msg"][1:]
    return text if isinstance(value, (dict, list)) else f"{text}, not {shown}"


def _show(value: Any, name: str) -> str:
    """Return the text of a value for an error message. Secrets such as passwords in URLs are redacted."""
    if isinstance(value, bool) or value is None:
        return _YAML_WORDS[value]
    shown = repr(redact_value(value, name))
    return shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + REDACTED


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    accepted = _accepted_keys(path[:-1], model)
    near = get_close_matches(str(path[-1]), accepted, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {hint}accepted here: {', '.join(accepted)}"


def _accepted_keys(path: Path, model: type[BaseModel]) -> list[str]:
    """Return the keys that a model accepts at a path, in sorted order.

    Args:
        path: the path from the root of the document.
        model: the model of the whole document.
    """
    for part in path:
        info = model.model_fields.get(str(part)) or _by_alias(model, part)
        inner = _model_within(info.annotation) if info else model
        model = inner or model
    return sorted(info.alias or name for name, info in model.model_fields.items())


def _by_alias(model: type[BaseModel], part: str | int) -> Any:
    return next((info for info in model.model_fields.values() if info.alias == part), None)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model in a type such as `Model | None` or `list[Model]`; None if there is no model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_within(arg))), None)
