"""A decorator for the classes of values that are made for each call.

A frozen dataclass sets each attribute of a new object by a call of `object.__setattr__`. These calls take
more time than all else that makes the object, and a dozen such objects are made for each call. So only the
type checker enforces that the attributes of these values do not change.

For the same reason, many of these values are made with positional arguments: for each call of a class with
keyword arguments, Python makes a dict of them, and this takes as long as everything else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as value_class
    from typing import TypeVar

    T = TypeVar("T")
else:

    def value_class(*, frozen: bool, eq: bool = True, **options: bool) -> Callable[[type[T]], type[T]]:
        """Return the decorator of a dataclass whose attributes are frozen for the type checker only.

        The options are those of `dataclass`. As with it, frozen values that can be compared can be hashed.
        """
        return dataclasses.dataclass(eq=eq, unsafe_hash=frozen and eq, **options)


__all__ = ["value_class"]
