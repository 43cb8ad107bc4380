"""CONTRIBUTING.md and SECURITY.md name files and targets that exist."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.test_makefile import find_targets

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|toml|py))`", CONTRIBUTING)))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_paths_are_found() -> None:
    assert len(PATHS) > 25
    assert "gateway/expressions/functions.py" in PATHS


def test_every_target_exists() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", CONTRIBUTING, re.MULTILINE))
    assert named <= find_targets()
    assert find_targets() - named == set()


def test_every_link_of_the_security_policy_leads_to_a_file() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert all((ROOT / link).is_file() for link in links)
