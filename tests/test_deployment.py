"""docs/deployment.md: each step from observe to deny is run, and its output compared."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.pages import run_page

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("tools", ["of the machine", "substitutes"])
def test_every_step_of_the_page_is_true(tmp_path_factory: pytest.TempPathFactory, tools: str) -> None:
    assert len(run_page(PAGE, tmp_path_factory, tools)) > 15
