"""docs/policies.md: its files are written, its commands run, in order, and their output compared."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.pages import is_shown, run_page

PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "given", "is_same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a …: b\n", "a x y: b\n", True),
        ("a …: b\n", "a x\ny: b\n", False),
        ("a\n…\nb\n", "a\nb\n", True),
        ("a\n…\nb\n", "a\nx\ny\nb\n", True),
        ("a\n…\nb\n", "a\nx\n", False),
        ("a\n…\n", "a\nx\n", True),
        ("", "x\n", False),
    ],
)
def test_outputs_are_compared(shown: str, given: str, *, is_same: bool) -> None:
    assert is_shown(shown, given) is is_same


@pytest.mark.parametrize("tools", ["of the machine", "substitutes"])
def test_every_step_of_the_page_is_true(tmp_path_factory: pytest.TempPathFactory, tools: str) -> None:
    assert len(run_page(PAGE, tmp_path_factory, tools)) > 20
