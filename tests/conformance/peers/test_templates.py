"""templates.yaml: the grammar of path templates."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from gateway.transcode.template import Template, TemplateError, Variable, Wildcard, parse_template
from tests.conformance.peers.cases import Case, load_cases


def shown(template: Template) -> str:
    return "/".join(
        one.value if isinstance(one, Wildcard) else quote(one, safe="") for one in template.segments
    )


def stretch(variable: Variable) -> str:
    return f"{variable.start}-{'' if variable.end is None else variable.end}"


@pytest.mark.parametrize("case", load_cases("templates", "accepted"))
def test_accepted(case: Case) -> None:
    template = parse_template(case["template"])
    assert (shown(template), template.custom_verb) == (case["segments"], case.get("custom_verb", ""))
    stretches = {".".join(one.field_path): stretch(one) for one in template.variables}
    assert stretches == case.get("variables", {})
    for one in template.variables:
        assert one.is_multi == (one.end is None or one.end - one.start > 1)


@pytest.mark.parametrize("case", load_cases("templates", "refused"))
def test_refused(case: Case) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(case["template"])
    assert str(caught.value).startswith(f"bad path template {case['template']!r}: {case['says']}")
    assert str(caught.value).endswith(f", at character {case['at']}")
