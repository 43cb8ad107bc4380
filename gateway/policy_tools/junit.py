"""Formats the results of the tests of a bundle as JUnit XML, which CI systems read."""

from __future__ import annotations

import re
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.policy_tools.suite import CaseResult

# https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(results: Sequence[CaseResult]) -> str:
    """Return a JUnit report as XML text. The report has one test suite for each file with test cases."""
    root = ET.Element("testsuites", name="policies")
    _count(root, results)
    for file, cases in groupby(results, key=attrgetter("file")):
        _add_suite(root, file, list(cases))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: ET.Element, file: str, results: Sequence[CaseResult]) -> None:
    suite = ET.SubElement(root, "testsuite", name=_text(file))
    _count(suite, results)
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=_text(file), name=_text(result.case))
        if not result.has_passed:
            failure = ET.SubElement(case, "failure", message=_text(result.differences[0]))
            failure.text = _text("\n".join(result.differences))


def _count(element: ET.Element, results: Sequence[CaseResult]) -> None:
    element.set("tests", str(len(results)))
    element.set("failures", str(sum(not result.has_passed for result in results)))
    element.set("errors", "0")


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
