"""The costs of values and of function results (see cost_estimator.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STEPS = 400_000
"""The maximum cost of one expression, in steps. A step takes about 50 ns, so the limit is about 20 ms."""

MAX_STEPS_OF_A_METHOD = 4_000_000
"""The maximum cost of all expressions of a method together, in steps.

All expressions together may take too long, even if each of them costs no more than MAX_STEPS.
"""

MAX_BYTES = 2 * 1024 * 1024
"""The maximum size of one value. Values stay in memory until the decision is made."""

SCALAR_BYTES = 32
ELEMENT_BYTES = 64  # the bytes of an element in addition to the bytes of its text
_CLAUSE_BYTES = 1400  # the maximum size of a formatted number; the longest format clause is %.1000f


@dataclass(frozen=True, slots=True)
class Cost:
    """Upper bounds of the size of a value and of the number of steps to evaluate the value.

    Attributes:
        count: the number of elements of a list or map, or the number of characters of a text.
        size: the size in bytes, including all elements.
        steps: the number of steps to evaluate the value.
        loops: the loops that the value depends on. Each loop is a pair of its depth and its number of
            iterations.
    """

    count: int
    size: int
    steps: int = 1
    loops: frozenset[tuple[int, int]] = frozenset()

    def after(self, steps: int) -> Cost:
        """Return this cost, increased by the given number of steps."""
        return replace(self, steps=self.steps + steps)

    @property
    def fault(self) -> str | None:
        """The reason why the cost is too high, or None if the cost is within the limits."""
        if self.steps > MAX_STEPS:
            return (
                f"takes too long: up to {self.steps:,} steps, {MAX_STEPS:,} are allowed; nest fewer loops, "
                "and call functions outside of them"
            )
        if self.size > MAX_BYTES:
            return (
                f"makes texts too large: up to {self.size:,} bytes, {MAX_BYTES:,} are allowed; put texts "
                "together fewer times"
            )
        return None


SCALAR = Cost(1, SCALAR_BYTES)


def estimate_value(value: Any) -> Cost:
    """Return the cost of a parameter's value.

    Every element of a collection is counted with the size of the largest element.
    """
    if isinstance(value, str):
        return Cost(len(value), len(value.encode()))
    if isinstance(value, (list, dict)):
        elements = [*value, *value.values()] if isinstance(value, dict) else value
        largest = max((estimate_value(one).size for one in elements), default=0)
        return Cost(len(value), len(elements) * (largest + ELEMENT_BYTES))
    return SCALAR


def _together(given: list[Cost]) -> Cost:
    size = sum(one.size for one in given)
    return Cost(size, size)


def concatenated(given: list[Cost]) -> Cost:
    """Return the cost of concatenated lists. Every element counts with the size of the largest element."""
    count = sum(one.count for one in given)
    return Cost(count, count * max(-(-one.size // max(one.count, 1)) for one in given))


def _format(given: list[Cost]) -> Cost:
    template, arguments = given
    size = template.size + 2 * arguments.size + arguments.count * _CLAUSE_BYTES  # %x doubles a text's size
    return Cost(size, size)


def same(given: list[Cost]) -> Cost:
    """Return the cost of a function result that is not larger than the largest argument."""
    return Cost(
        max((one.count for one in given), default=1), max((one.size for one in given), default=SCALAR_BYTES)
    )


def _coded(given: list[Cost]) -> Cost:
    return Cost(given[0].size * 2, given[0].size * 2)  # base64 encoding or decoding


def _flat(given: list[Cost]) -> Cost:
    count = given[0].size // ELEMENT_BYTES + 1
    return Cost(count, given[0].size)


def _scalar(_given: list[Cost]) -> Cost:
    return SCALAR


def _replace(given: list[Cost]) -> Cost:
    text, _, new = given[:3]
    # Every character may be replaced. An empty old text also matches before and after each character.
    size = (text.size + 1) * (new.size + 1)
    return Cost(size, size)


def _join(given: list[Cost]) -> Cost:
    separator = given[1].size if len(given) > 1 else 0
    texts = max(given[0].size - given[0].count * ELEMENT_BYTES, 0)
    size = texts + given[0].count * separator
    return Cost(size, size)


def _split(given: list[Cost]) -> Cost:
    count = given[0].size + 1
    return Cost(count, given[0].size + count * ELEMENT_BYTES)


def _quote(given: list[Cost]) -> Cost:
    return Cost(given[0].count * 2, given[0].size * 2)


READS_NOTHING = {"_&&_", "_||_", "!_", "_?_:_", "_+_", "@not_strictly_false", "dyn"}
COMPARISONS = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"}
SETS = {"sets.contains", "sets.equivalent", "sets.intersects"}
SEARCHES = {"contains", "indexOf", "lastIndexOf", "split", "replace"}

RESULTS: dict[str, Callable[[list[Cost]], Cost]] = {
    "_+_": _together,
    "format": _format,
    **dict.fromkeys(
        ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_&&_", "_||_", "!_", "size", "startsWith",
         "endsWith", "contains", "indexOf", "lastIndexOf", "@not_strictly_false", "int", "uint", "double",
         "hasValue", "sets.contains", "sets.equivalent", "sets.intersects"),
        _scalar,
    ),
    "replace": _replace,
    "join": _join,
    "split": _split,
    "strings.quote": _quote,
    "base64.encode": _coded,
    "base64.decode": _coded,
    "flatten": _flat,
}  # fmt: skip
