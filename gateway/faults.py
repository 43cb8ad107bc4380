"""Faults in what an operator wrote: configuration, policies, descriptor sets.

All faults of a file are found in one pass and reported together, each with the
place, the key and how to fix it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from pydantic import BaseModel

from gateway.redaction import REDACTED, redact_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MAX_SHOWN = 200
_YAML_WORDS = {True: "true", False: "false", None: "null"}

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root of a document."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in what was written; line and column count from 1, 0 for the file as a whole.

    Attributes:
        source: the text of the line, to be shown below a fault; it is no part of the place.
    """

    file: str
    line: int = 0
    column: int = 0
    source: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is, which key, and what is wrong with it."""

    position: Position
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.position), self.key, self.message) if part)


class FaultsError(Exception):
    """A configuration, bundle or descriptor set has faults; no part of it is used."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class FaultCollector:
    """Collects the faults of several parts, so that they are reported together."""

    def __init__(self) -> None:
        self._faults: dict[Fault, None] = {}

    def __bool__(self) -> bool:
        """Return whether there are faults."""
        return bool(self._faults)

    def add(self, fault: Fault) -> None:
        """Add one fault."""
        self._faults[fault] = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Return a context that ends at the first FaultsError of its block, and adds its faults."""
        try:
            yield
        except FaultsError as error:
            self._faults |= dict.fromkeys(error.faults)

    def check(self) -> None:
        """Raise the faults, if there are any; each stands once.

        Raises:
            FaultsError: with all faults, in the order in which they were found.
        """
        if self._faults:
            raise FaultsError(self._faults)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the nearest known name for an unknown name, or an empty text."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def validation_faults(
    error: ValidationError, model: type[BaseModel], position: Callable[[Path], Position]
) -> list[Fault]:
    """Return a fault for each error that a model found.

    Args:
        error: what the model raised.
        model: the model at the root, for the keys it accepts.
        position: gives the place of a path.
    """
    return [_fault(item, model, position) for item in error.errors(include_url=False, include_context=True)]


def _fault(item: ErrorDetails, model: type[BaseModel], position: Callable[[Path], Position]) -> Fault:
    path: Path = item["loc"]
    return Fault(position(path), key_of(path), _message(item, model))


def key_of(path: Path) -> str:
    """Return a path as faults name it: `spec.rules[0].assert`."""
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
    """Return a value as a fault shows it: a database's URL may hold a password."""
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
    """Return the keys of the model that a path from the root leads to."""
    for part in path:
        info = model.model_fields.get(str(part)) or _by_alias(model, part)
        inner = _model_within(info.annotation) if info else model
        model = inner or model
    return sorted(info.alias or name for name, info in model.model_fields.items())


def _by_alias(model: type[BaseModel], part: str | int) -> Any:
    return next((info for info in model.model_fields.values() if info.alias == part), None)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside `Model | None`, `list[Model]`, `dict[str, Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_within(arg))), None)
