"""Lists the effective values of the configuration with their sources, and hides secrets.

A value is secret if its type is one of pydantic's secret types, or if its field has `repr=False`, which also
keeps it out of the `repr` of its section. So no key has to be listed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Secret, SecretBytes, SecretStr

from gateway.config.section import Section
from gateway.config.values import is_duration, show_duration
from gateway.faults import key_of
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.origins import Origins
    from gateway.config.sections import Config
    from gateway.faults import Path

HIDDEN = "***"
"""The text that replaces a secret."""

_SECRET_TYPES = (Secret, SecretBytes, SecretStr)
# What cannot precede the `@` of a user name and a password: the end of the host.
_END_OF_HOST = re.compile(r"[/?#]")


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One value of the configuration.

    Attributes:
        key: the key, such as `limits.concurrency`.
        value: the value as a JSON value, in the form in which the file can contain it. Secrets are hidden.
        source: `default`, the file and the line such as `gateway.yaml:12`, or the name of a variable.
    """

    key: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the field of a value says about it."""

    is_secret: bool = False
    is_duration: bool = False


def list_values(config: Config, origins: Origins) -> Iterator[EffectiveValue]:
    """Yield all effective values, in the order of the sections. A list of texts or numbers is one value."""
    yield from _list_section(config, (), origins, is_secret=False)


def _list_section(
    section: Section, path: Path, origins: Origins, *, is_secret: bool
) -> Iterator[EffectiveValue]:
    for name, field in type(section).model_fields.items():
        kind = _Kind(is_secret or not field.repr, is_duration(field.metadata))
        yield from _list_value(getattr(section, name), kind, (*path, field.alias or name), origins)


def _list_value(value: Any, kind: _Kind, path: Path, origins: Origins) -> Iterator[EffectiveValue]:
    if isinstance(value, Section):
        yield from _list_section(value, path, origins, is_secret=kind.is_secret)
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _list_value(inner, kind, (*path, key), origins)
    elif isinstance(value, tuple | list) and any(isinstance(inner, Section) for inner in value):
        for index, inner in enumerate(value):
            yield from _list_value(inner, kind, (*path, index), origins)
    else:
        yield EffectiveValue(key_of(path), _show(value, kind), origins.source(path))


def _show(value: Any, kind: _Kind) -> Any:
    if isinstance(value, tuple | list):
        return [_show(one, kind) for one in value]
    if kind.is_secret or isinstance(value, _SECRET_TYPES):
        return _hide(value)
    if kind.is_duration and value is not None:
        return show_duration(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, bool | int | float | dict):
        return value
    return redact_text(value) if type(value) is str else str(value)


def _hide(value: Any) -> str | None:
    if value is None:
        return None
    return hide_password(value) if isinstance(value, str) else HIDDEN


def hide_password(text: str) -> str:
    """Return a URL whose user info and parameters are hidden. Any other text is hidden as a whole.

    A user name is shown only if it is certainly not the password itself. If the password is not escaped, it
    may contain the characters that separate the parts of a URL. Then only the scheme is shown.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isalnum():
        return HIDDEN
    if scheme == "sqlite":  # the rest is the path of a file
        return text
    user_info, at, shown = rest.rpartition("@")
    if _END_OF_HOST.search(user_info):
        return f"{scheme}://{HIDDEN}"
    user, colon, _ = user_info.partition(":")
    hidden = f"{user}:{HIDDEN}" if colon else HIDDEN
    address, mark, parameters = shown.partition("#")[0].partition("?")
    names = "&".join(f"{one.partition('=')[0]}={HIDDEN}" for one in parameters.split("&") if "=" in one)
    return f"{scheme}://{hidden if at else ''}{at}{address}{mark}{names or (HIDDEN if mark else '')}"
