"""The default bundle, which is shipped with the gateway."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# The first folder is in the installed package, the second folder is in the source tree.
_PLACES = (_PACKAGE / "default_policies", _PACKAGE.parent / "policies")


def shipped_bundle() -> Path | None:
    """Return the folder of the default bundle, or None if the installed package has no default bundle."""
    return next((path for path in _PLACES if path.is_dir()), None)
