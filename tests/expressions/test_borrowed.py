"""The functions of CEL that the documentation lists."""

from __future__ import annotations

import re

import pytest

from gateway.expressions import Environment
from gateway.expressions.borrowed import BORROWED
from gateway.expressions.functions import FUNCTIONS


@pytest.mark.parametrize(("form", "meaning", "example"), BORROWED)
def test_an_example_compiles_and_is_about_its_form(
    environment: Environment, form: str, meaning: str, example: str
) -> None:
    names = re.findall(r"[\w.]*?(\w+)\(|(\[\?)", form)
    assert any(one in example for one in names[0] if one)
    assert meaning
    assert environment.compile(example).returns.name() == "BOOL"


def test_forms_are_listed_once_and_are_not_of_the_gateway() -> None:
    forms = [form for form, _, _ in BORROWED]
    assert len(forms) == len(set(forms))
    assert not set(forms) & {one.form for one in FUNCTIONS}
