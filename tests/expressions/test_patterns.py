from __future__ import annotations

import time

import pytest

from gateway.expressions.patterns import MAX_PATTERN, PatternError, Patterns

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
    patterns = Patterns()
    patterns.add("regex", pattern)
    assert patterns.full_match(text, pattern) is matches


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_hangs(pattern: str) -> None:
    patterns = Patterns()
    patterns.add("regex", pattern)
    started = time.process_time()
    assert not patterns.full_match("a" * 20_000 + "!", pattern)
    assert time.process_time() - started < 5  # the standard library's takes longer than the universe


@pytest.mark.parametrize("pattern", BAD)
def test_refuses_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"^not an RE2 pattern: [^']+$"):
        Patterns().add("regex", pattern)


FOUND = [("db-1x", "[a-z]+-[0-9]", True), ("a\0b", "b", True), ("ab", "^b", False), ("a\nb", "(?m)^b$", True)]


@pytest.mark.parametrize(("text", "pattern", "is_found"), FOUND)
def test_finds_a_part_of_the_text(text: str, pattern: str, *, is_found: bool) -> None:
    patterns = Patterns()
    patterns.add("regex", pattern)
    assert patterns.find(text, pattern) is is_found


GLOBS = [
    ("iso/a.iso", "iso/*.iso", True),
    ("iso/old/a.iso", "iso/*.iso", False),
    ("iso/old/a.iso", "iso/**.iso", True),
    ("iso/old/a.iso", "**", True),
    ("iso/.iso", "iso/*.iso", True),
    ("ab", "a?", True),
    ("a/", "a?", False),
    ("a", "a?", False),
    ("a.iso", "a?iso", True),
    ("axiso", "a.iso", False),
    ("[a]", "[a]", True),
    ("a", "[a]", False),
    ("a\nb", "a*b", True),
    ("образ-1", "образ-?", True),
    ("xa", "a", False),
    ("ax", "a", False),
    ("", "", True),
    ("", "*", True),
    ("a***b", "a***b", True),
]


@pytest.mark.parametrize(("text", "pattern", "matches"), GLOBS)
def test_globs(text: str, pattern: str, *, matches: bool) -> None:
    patterns = Patterns()
    patterns.add("glob", pattern)
    assert patterns.glob(text, pattern) is matches


def test_a_pattern_is_bounded() -> None:
    Patterns().add("regex", "a" * MAX_PATTERN)
    with pytest.raises(PatternError, match="longer than 1024"):
        Patterns().add("regex", "a" * (MAX_PATTERN + 1))


def test_what_was_not_added_is_never_compiled() -> None:
    patterns = Patterns()
    patterns.add("glob", "a")
    with pytest.raises(ValueError, match="not known when the bundle was loaded"):
        patterns.find("a", "a")
