"""The default bundle, shipped with the gateway."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# In the installed package, or in the source tree.
_PLACES = (_PACKAGE / "default_policies", _PACKAGE.parent / "policies")


def shipped_bundle() -> Path | None:
    """Return the folder of the default bundle, or None where the package was installed without it."""
    return next((path for path in _PLACES if path.is_dir()), None)
