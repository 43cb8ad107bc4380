"""The header in which callers send a JWT or a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import FieldViolation, GatewayError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Iterable


class IdentityHeader:
    """The header in which callers send a JWT or a token."""

    def __init__(self, name: str) -> None:
        """Initialize the header.

        Args:
            name: the name of the header, in lower case.
        """
        self.name = name
        self._has_variants = "-" in name

    def read(self, headers: Iterable[tuple[str, str | bytes]]) -> str | None:
        """Return the value of the header; None if the request does not have it.

        Raises:
            GatewayError: INVALID_ARGUMENT if the request has several copies of the header, or a header whose
                name differs only in `_` instead of `-`. A proxy may check one of them, and pass on all.
        """
        found: str | None = None
        for name, value in headers:
            if name == self.name:
                if found is not None or not isinstance(value, str):
                    raise self._refuse("is repeated; send it once")
                found = value
            elif self._has_variants and "_" in name and name.replace("_", "-") == self.name:
                raise self._refuse("is sent with `_` instead of `-` in its name")
        return found

    def _refuse(self, description: str) -> GatewayError:
        violation = FieldViolation(field=f"header {self.name}", description=description, reason="MALFORMED")
        return invalid_request("a header is malformed", [violation])
