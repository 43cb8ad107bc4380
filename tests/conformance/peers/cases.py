"""Reads the tables of this folder: facts from the test tables of other gateways, as our own data.

Each case has a `name`, what goes in, and what has to come out. Where a peer
expects something else on purpose of ours, `differs` says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

HERE = Path(__file__).parent

Case: TypeAlias = dict[str, Any]
"""One row of a table."""


def tables() -> list[str]:
    """Return the names of all tables."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def read_table(table: str) -> dict[str, list[Case]]:
    """Return a table: the name of each section with its cases."""
    content = yaml.safe_load((HERE / f"{table}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def load_cases(table: str, section: str) -> list[ParameterSet]:
    """Return a section's cases as parameters, called by the table and their names."""
    return [pytest.param(case, id=f"{table}: {case['name']}") for case in read_table(table)[section]]
