from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.expressions.borrowed import BORROWED
from gateway.expressions.functions import FUNCTIONS

if TYPE_CHECKING:
    from tests.policy.conftest import Decide

SIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=YCAJE%2F20260101%2Fru-central1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0a" * 32
)

EXAMPLES = [example for function in FUNCTIONS for example in function.examples]
EXAMPLES += [example for _, _, example in BORROWED]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_holds(evaluate: Decide, example: str) -> None:
    assert evaluate(example).is_allowed
    assert not evaluate(f"!({example})").is_allowed


WRONG = [
    "'x'.inCidr('10.0.0.0/8')",
    "'10.0.0.1'.inCidr('10.0.0.1/8')",
    "'10.0.0.1'.inCidr('x')",
    "''.inCidr(['10.0.0.0/8'])",
    "'1.0'.compareVersion('1.0.0') == 0",
    "'1.0.0'.compareVersion('v1.0.0') == 0",
    f"'{'1' * 300}.0.0'.compareVersion('1.0.0') == 1",
]


@pytest.mark.parametrize("condition", WRONG)
@pytest.mark.parametrize("form", ["{}", "!({})", "({}) || false"])
def test_what_a_function_cannot_read_denies(evaluate: Decide, condition: str, form: str) -> None:
    (violation,) = evaluate(form.format(condition)).violations
    assert violation.is_error


@pytest.mark.parametrize("number", range(3))
def test_a_hostile_name_is_evaluated_quickly(evaluate: Decide, number: int) -> None:
    started = time.process_time()
    decision = evaluate(
        "request.description.fullMatch('(a+)+$')", description="a" * 1023 + "!" * (number + 1)
    )
    assert not decision.is_allowed
    assert time.process_time() - started < 5


LINKS = [
    ("problem", "''"),
    ("scheme", "'https'"),
    ("host", "'storage.yandexcloud.net'"),
    ("bucket", "'golden-images'"),
    ("key", "'linux/a.iso'"),
    ("extension", "'iso'"),
    ("style", "'path'"),
    ("presigned", "true"),
    ("expires", "timestamp('2026-01-01T01:00:00Z')"),
]


@pytest.mark.parametrize(("field", "value"), LINKS)
def test_reads_links(evaluate: Decide, field: str, value: str) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/linux/a.iso?" + SIGNED
    assert evaluate(f"objectStorage(request.uri).{field} == {value}", uri=uri).is_allowed


@pytest.mark.parametrize(("field", "value"), [row for row in LINKS if row[0] != "problem"])
def test_a_refused_link_has_no_other_field(evaluate: Decide, field: str, value: str) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/linux/a.iso?" + SIGNED + "#"
    empty = {"true": "false"}.get(value, "timestamp(0)" if "timestamp" in value else "''")
    both = f"objectStorage(request.uri).{field} == {empty} && objectStorage(request.uri).problem != ''"
    assert evaluate(both, uri=uri).is_allowed


def test_a_link_with_nul_is_read_to_its_end(evaluate: Decide) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/a.iso\0.img"
    assert not evaluate("objectStorage(request.uri).problem == ''", uri=uri).is_allowed
