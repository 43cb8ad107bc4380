from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy_tools import CaseResult, to_junit

HOSTILE = [
    "plain",
    "",
    '<a href="b">&amp;',
    "]]>",
    "<![CDATA[x]]>",
    'it\'s "quoted"',
    "--> <!-- -->",
    "тест 💿",
    "\u0085\u2028",
]
# What XML has no form for, not even escaped.
REPLACED = [
    ("a\0b", "a\ufffdb"),
    ("\x1b[31m", "\ufffd[31m"),
    ("\ud800", "\ufffd"),
    ("\uffff\x7f", "\ufffd\x7f"),
]


def result(case: str, *differences: str, file: str = "tests/a.yaml") -> CaseResult:
    return CaseResult(file=file, case=case, differences=differences)


def parse(report: str) -> ET.Element:
    return ET.fromstring(report.encode())  # noqa: S314 - our own text


def test_counts_by_file() -> None:
    results = [
        result("one"),
        result("two", "decision: expected allow, got deny", "more"),
        result("three", file="tests/b.yaml"),
    ]
    root = parse(to_junit(results))
    counts = {"tests": "3", "failures": "1", "errors": "0"}
    assert (root.tag, root.attrib) == ("testsuites", {"name": "policies", **counts})
    first, second = root
    assert first.attrib == {"name": "tests/a.yaml", "tests": "2", "failures": "1", "errors": "0"}
    assert second.attrib == {"name": "tests/b.yaml", "tests": "1", "failures": "0", "errors": "0"}
    assert [case.attrib for case in root.iter("testcase")] == [
        {"classname": "tests/a.yaml", "name": "one"},
        {"classname": "tests/a.yaml", "name": "two"},
        {"classname": "tests/b.yaml", "name": "three"},
    ]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "decision: expected allow, got deny"
    assert failure.text == "decision: expected allow, got deny\nmore"


def test_a_report_of_nothing_is_one() -> None:
    root = parse(to_junit([]))
    assert (root.get("tests"), root.get("failures"), list(root)) == ("0", "0", [])


def test_begins_as_xml_and_ends_with_a_line() -> None:
    text = to_junit([result("a")])
    assert text.lower().startswith("<?xml version='1.0' encoding='utf-8'?>\n")
    assert text.endswith("</testsuites>\n")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param(*row, id=str(number))
        for number, row in enumerate([*((one, one) for one in HOSTILE), *REPLACED])
    ],
)
def test_names_and_differences_may_hold_anything(text: str, read: str) -> None:
    root = parse(to_junit([result(text, text or "x", file=text)]))
    (case,) = root.iter("testcase")
    (failure,) = root.iter("failure")
    assert (case.get("name"), case.get("classname")) == (read, read)
    assert (failure.get("message"), failure.text) == (read or "x", read or "x")


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_any_text_gives_a_report(name: str, differences: list[str]) -> None:
    root = parse(to_junit([result(name, *differences)]))
    assert root.get("failures") == str(int(bool(differences)))
