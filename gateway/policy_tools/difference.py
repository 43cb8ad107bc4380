"""Compares two bundles, document by document."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gateway.redaction import REDACTED, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from gateway.documents import Document
    from gateway.policy.bundle import Bundle

_MAX_SHOWN = 300
_AROUND = 40
_NAMED_LISTS = {"rules", "cases"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two bundles.

    Attributes:
        sign: the kind of the difference: `+` for a value only in the new bundle, `-` for a value only in the
            old bundle, `~` for a changed value.
        what: the description of the part that differs. It is usually the kind and the name of a document,
            such as `Policy approved-source`, followed by a key if both bundles have the document.
        before: the value in the old bundle, as JSON; empty if the old bundle has no value.
        after: the value in the new bundle, as JSON; empty if the new bundle has no value.
    """

    sign: Literal["+", "-", "~"]
    what: str
    before: str = ""
    after: str = ""


def compare_bundles(old: Bundle, new: Bundle) -> list[Difference]:
    """Return all differences between two bundles.

    Comments and the order of the documents are ignored. If the order in which bindings set fields has
    changed, this change is a difference.
    """
    found: list[Difference] = []
    for kind in ("policies", "bindings", "params", "waivers", "suites"):
        found += _compare_documents(getattr(old.documents, kind), getattr(new.documents, kind))
    return found + list(_compare_order(old, new))


def _compare_order(old: Bundle, new: Bundle) -> Iterator[Difference]:
    for method in sorted(old.programs.keys() & new.programs.keys()):
        orders = [[one.name for one in bundle.programs[method].mutating] for bundle in (old, new)]
        before, after = (
            [name for name in order if name in orders[0] and name in orders[1]] for order in orders
        )
        if before != after:
            what = f"order in which bindings set fields of {method}"
            yield Difference("~", what, *(json.dumps(order) for order in (before, after)))


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
            yield Difference(sign, f"{title}: {key}", *_show(before, after))


def _show(before: str, after: str) -> tuple[str, str]:
    """Return redacted texts of two values. A long text is cut to the part around the first difference."""
    shown, other = redact_text(before), redact_text(after)
    if shown == other:
        return shown[:_MAX_SHOWN], f"{other[:_MAX_SHOWN]} (a redacted part differs)"
    same = next((index for index, (one, two) in enumerate(zip(shown, other, strict=False)) if one != two), 0)
    start = max(same - _AROUND, 0)
    return _cut(shown, start), _cut(other, start)


def _cut(text: str, start: int) -> str:
    if len(text) <= _MAX_SHOWN:
        return text
    start = min(start, len(text) - _AROUND)
    end = start + _MAX_SHOWN
    return f"{REDACTED if start else ''}{text[start:end]}{REDACTED if end < len(text) else ''}"


def _flat(document: BaseModel) -> dict[str, str]:
    """Return the values of a document as JSON, keyed by their paths. Default values are included.

    An empty list or an empty object is included only if the default value at its path is different.
    """
    written = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    whole = document.model_dump(mode="json", by_alias=True)
    empty = {key: value for key, value in _flatten("", written) if value in {"{}", "[]"}}
    return {key: value for key, value in _flatten("", whole) if key in empty or value not in {"{}", "[]"}}


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _flatten(f"{path}.{key}" if path else key, one)
    elif isinstance(value, list) and path.rpartition(".")[2] in _NAMED_LISTS and _have_names(value):
        seen: Counter[str] = Counter()
        for one in value:
            seen[one["name"]] += 1
            again = f" #{seen[one['name']]}" if seen[one["name"]] > 1 else ""
            rest = {key: part for key, part in one.items() if key != "name"}
            yield from _flatten(f"{path}[{one['name']}{again}]", rest)
    elif value is not None:
        yield path, json.dumps(value, ensure_ascii=False)


def _have_names(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(one, dict) and "name" in one for one in values)
