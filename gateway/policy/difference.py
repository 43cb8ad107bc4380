"""What one bundle says otherwise than another, document by document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gateway.masking import HIDDEN, mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from gateway.documents import Document
    from gateway.policy.bundle import Bundle

_MAX_SHOWN = 300
_NAMED_LISTS = {"rules", "cases"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    Attributes:
        sign: `+` only the new bundle has it, `-` only the old one, `~` they say it otherwise.
        what: the document, `Policy approved-source`, and the key in it.
        before: what the old one says, as JSON; empty when it says nothing.
        after: what the new one says.
    """

    sign: Literal["+", "-", "~"]
    what: str
    before: str = ""
    after: str = ""


def compare_bundles(old: Bundle, new: Bundle) -> list[Difference]:
    """Return every difference in what two bundles say; comments and order of files are none."""
    found: list[Difference] = []
    for kind in ("policies", "bindings", "params", "waivers", "suites"):
        found += _compare_documents(getattr(old.documents, kind), getattr(new.documents, kind))
    return found


def _compare_documents(
    old: Mapping[str, tuple[BaseModel, Document]], new: Mapping[str, tuple[BaseModel, Document]]
) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Difference("-", _title(name, old[name][0]))
        elif name not in old:
            yield Difference("+", _title(name, new[name][0]))
        else:
            yield from _compare_values(
                _title(name, new[name][0]), *(_flat(one[name][0]) for one in (old, new))
            )


def _title(name: str, document: Any) -> str:
    return f"{document.kind} {name}"


def _compare_values(title: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key, ""), new.get(key, "")
        if before != after:
            sign: Literal["+", "-", "~"] = "+" if not before else "-" if not after else "~"
            yield Difference(sign, f"{title}: {key}", before, after)


def _flat(document: BaseModel) -> dict[str, str]:
    return dict(_flatten("", document.model_dump(mode="json", by_alias=True)))


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _flatten(f"{path}.{key}" if path else key, one)
    elif isinstance(value, list) and path.rpartition(".")[2] in _NAMED_LISTS and _have_names(value):
        for one in value:
            yield from _flatten(
                f"{path}[{one['name']}]", {key: part for key, part in one.items() if key != "name"}
            )
    elif value not in (None, {}, []):
        text = mask(json.dumps(value, ensure_ascii=False))
        yield path, text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + HIDDEN


def _have_names(values: list[Any]) -> bool:
    return all(isinstance(one, dict) and "name" in one for one in values)
