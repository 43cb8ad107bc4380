"""Loads the configuration from a file and the environment, and reports all faults together.

A value in the file overrides the default value. The value of an environment variable
overrides the default value and the value in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from gateway.config.credentials import METADATA_ADDRESS_VARIABLE
from gateway.config.disagreements import find_disagreements
from gateway.config.origins import Origins
from gateway.config.sections import Config
from gateway.documents import Document, load_documents
from gateway.faults import Fault, FaultCollector, FaultsError, Path, Position, key_of, validation_faults

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Mapping

_Place: TypeAlias = "Callable[[Path], Position]"

PREFIX = "GATEWAY__"
"""The prefix of the environment variables that override keys. `__` separates the levels of a key."""

_IPV6_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.]*\]:[0-9]+")
"""A pattern for an IPv6 address with a port, such as `[::1]:8080`.

Without quotes, such an address is not valid YAML. However, an environment variable may contain such an
address without quotes.
"""


@dataclass(frozen=True, slots=True)
class _Override:
    variable: str
    path: tuple[str, ...]
    value: Any


def load_config(file: pathlib.Path | None, environment: Mapping[str, str]) -> Config:
    """Return the configuration.

    Raises:
        FaultsError: the configuration is invalid. The error contains all faults that were found.
    """
    return load_with_origins(file, environment)[0]


def load_with_origins(file: pathlib.Path | None, environment: Mapping[str, str]) -> tuple[Config, Origins]:
    """Return the configuration, and the origins of its values.

    Raises:
        FaultsError: the configuration is invalid. The error contains all faults that were found.
    """
    reading = FaultCollector()
    document: Document | None = None
    with reading.part():
        document = _read_file(file) if file else None
    values: dict[str, Any] = dict(document.value) if document else {}
    overrides: list[_Override] = []
    with reading.part():
        overrides = _read_environment(environment, values)
    reading.check()
    origins = Origins(document)
    faults = [fault for override in overrides if (fault := _put(values, override, origins))]
    _put_metadata_address(environment, values, origins)
    try:
        config = Config.model_validate(_with_defaults(values))
    except ValidationError as error:
        raise FaultsError([*faults, *validation_faults(error, Config, origins.position)]) from error
    if faults := [*faults, *_disagreements(config, origins.position)]:
        raise FaultsError(faults)
    return config, origins


def _put_metadata_address(environment: Mapping[str, str], values: dict[str, Any], origins: Origins) -> None:
    """Set the address of the metadata service to that of the SDKs' variable, where no key sets it."""
    address = environment.get(METADATA_ADDRESS_VARIABLE)
    if not address:
        return
    upstreams = values.get("upstreams")
    names = upstreams if isinstance(upstreams, dict) else {}
    for path in [("credentials",), *(("upstreams", name, "credentials") for name in names)]:
        section: Any = values
        for key in path:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict) and section.get("type") == "metadata" and "address" not in section:
            _put(values, _Override(METADATA_ADDRESS_VARIABLE, (*path, "address"), address), origins)


def _disagreements(config: Config, place: _Place) -> list[Fault]:
    """Return the faults of keys that are valid alone, but not together with other keys.

    The line of the file is not shown, because it may contain a secret.
    """
    return [
        Fault(replace(place(path), source=""), key_of(path), message)
        for path, message in find_disagreements(config)
    ]


def _read_file(file: pathlib.Path) -> Document | None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise FaultsError([Fault(Position(str(file)), "", f"cannot be read: {reason}")]) from error
    documents = load_documents(text, str(file))
    if len(documents) > 1:
        raise FaultsError([Fault(documents[1].position(()), "", "a configuration is one document")])
    if not documents or documents[0].value is None:
        return None
    if not isinstance(documents[0].value, dict):
        raise FaultsError([Fault(documents[0].position(()), "", "a configuration is a mapping of sections")])
    return documents[0]


def _read_environment(environment: Mapping[str, str], values: dict[str, Any]) -> list[_Override]:
    """Return the overrides from the environment variables, sorted by variable name.

    Because of the sorting, the result does not depend on the order of the variables in the environment.
    """
    overrides, faults, defaults = [], [], Config().model_dump()
    for variable in sorted(name for name in environment if name.upper().startswith(PREFIX)):
        path = _path_of(variable, values, defaults)
        if "" in path:
            faults.append(
                Fault(Position(variable), "", "the variable names no key; use GATEWAY__SECTION__KEY")
            )
            continue
        if _IPV6_ADDRESS.fullmatch(environment[variable]):
            overrides.append(_Override(variable, path, environment[variable]))
            continue
        try:
            documents = load_documents(environment[variable], variable)
        except FaultsError as error:
            faults += [Fault(Position(variable), "", fault.message) for fault in error.faults]
            continue
        if len(documents) > 1:
            faults.append(Fault(Position(variable), "", "the value of a variable is one document"))
        overrides.append(_Override(variable, path, documents[0].value if documents else None))
    if faults:
        raise FaultsError(faults)
    return overrides


def _path_of(variable: str, values: dict[str, Any], defaults: dict[str, Any]) -> tuple[str, ...]:
    """Return the path of the configuration key that an environment variable overrides.

    The case of the letters in the variable name is not significant. If the file contains the key, the path is
    spelt as in the file. If only the default configuration contains the key, its spelling is used.
    """
    path: list[str] = []
    here: tuple[Any, ...] = (values, defaults)
    for part in variable[len(PREFIX) :].split("__"):
        levels = [one for one in here if isinstance(one, dict)]
        keys = (key for level in levels for key in level)
        path.append(next((key for key in keys if key.lower() == part.lower()), part.lower()))
        here = tuple(level.get(path[-1]) for level in levels)
    return tuple(path)


def _put(values: dict[str, Any], override: _Override, origins: Origins) -> Fault | None:
    """Set a key to the value of an override. Return a fault if a parent of the key is not a section."""
    here = values
    for depth, key in enumerate(override.path[:-1], 1):
        inner = here.get(key)
        if inner is not None and not isinstance(inner, dict):
            outer = override.path[:depth]
            message = f"has no effect: {key_of(outer)} is a value and no section ({origins.position(outer)})"
            return Fault(Position(override.variable), key_of(override.path), message)
        here[key] = dict(inner or {})
        here = here[key]
    here[override.path[-1]] = override.value
    origins.override(override.path, override.value, override.variable)
    return None


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the configuration, with the default upstreams and services added.

    Upstreams and services are maps in which operators can add entries. Without this function, such a map in
    the configuration would replace all default entries.
    """
    defaults = Config()
    values = dict(values)
    given = values.get("upstreams")
    if isinstance(given, dict):
        known = {name: upstream.model_dump() for name, upstream in defaults.upstreams.items()}
        values["upstreams"] = known | {
            name: known.get(name, {}) | upstream if isinstance(upstream, dict) else upstream
            for name, upstream in given.items()
        }
    api = values.get("api")
    if isinstance(api, dict) and isinstance(api.get("services"), dict):
        values["api"] = api | {"services": defaults.api.services | api["services"]}
    return values
