"""The default bundle. It is part of the installed gateway."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# The first folder exists in the installed package. The second folder exists in the source tree.
_PLACES = (_PACKAGE / "default_policies", _PACKAGE.parent / "policies")


def shipped_bundle() -> Path | None:
    """Return the folder of the default bundle, or None if there is no default bundle."""
    return next((path for path in _PLACES if path.is_dir()), None)
