from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.policy.functions import full_match

if TYPE_CHECKING:
    from tests.policy.conftest import Decide

MATCHES = [
    ("db-1", "[a-z]+-[0-9]", True),
    ("db-1x", "[a-z]+-[0-9]", False),
    ("xdb-1", "db-1", False),
    ("db-1\n", "db-1", False),
    ("db-1\n", "db-1$", False),
    ("a\nb", "a.b", False),
    ("a\nb", "(?s)a.b", True),
    ("", "", True),
    ("", "a?", True),
    ("a|b", "a|b", False),
    ("b", "a|b", True),
    ("ab", "a|ab", True),
    ("образ", r"\p{Cyrillic}+", True),
    ("💿", ".", True),
    ("a\0b", "a", False),
    ("a\0b", "a\0b", True),
]

HOSTILE = ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}", "([a-zA-Z]+)*$"]

BAD = ["(", "[", "a**", "(?=a)", r"\1", "a{1001}", "((a{100}){100}){100}", "(?P<n>a"]


@pytest.mark.parametrize(("text", "pattern", "matches"), MATCHES)
def test_matches_the_whole_text(text: str, pattern: str, *, matches: bool) -> None:
    assert full_match(text, pattern) is matches


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_hangs(pattern: str) -> None:
    started = time.process_time()
    assert not full_match("a" * 20_000 + "!", pattern)
    assert time.process_time() - started < 5  # the standard library's takes longer than the universe


@pytest.mark.parametrize("pattern", BAD)
def test_refuses_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^not an RE2 pattern: [^']+$"):
        full_match("a", pattern)


@pytest.mark.parametrize("condition", ["{}", "!{}", "{} || false", "true && {}"])
def test_a_bad_pattern_denies(judge: Decide, condition: str) -> None:
    assertion = condition.format("request.name.fullMatch(params.pattern)")
    decision = judge(assertion, binding={"params": {"pattern": "["}}, name="a")
    (violation,) = decision.violations
    assert not decision.is_allowed
    assert violation.is_error
    assert "not an RE2 pattern: missing ]: [" in violation.message


@pytest.mark.parametrize("number", range(3))
def test_a_hostile_name_is_judged_quickly(judge: Decide, number: int) -> None:
    started = time.process_time()
    decision = judge("request.description.fullMatch('(a+)+$')", description="a" * 1023 + "!" * (number + 1))
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
]


@pytest.mark.parametrize(("field", "value"), LINKS)
def test_reads_links(judge: Decide, field: str, value: str) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/linux/a.iso?X-Amz-Signature=0a"
    assert judge(f"objectStorage(request.uri).{field} == {value}", uri=uri).is_allowed


@pytest.mark.parametrize(("field", "value"), [row for row in LINKS if row[0] != "problem"])
def test_a_refused_link_has_no_other_field(judge: Decide, field: str, value: str) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/linux/a.iso?X-Amz-Signature=0a#"
    empty = "false" if value == "true" else "''"
    both = f"objectStorage(request.uri).{field} == {empty} && objectStorage(request.uri).problem != ''"
    assert judge(both, uri=uri).is_allowed


def test_a_link_with_nul_is_read_to_its_end(judge: Decide) -> None:
    uri = "https://storage.yandexcloud.net/golden-images/a.iso\0.img"
    assert not judge("objectStorage(request.uri).problem == ''", uri=uri).is_allowed
