"""Findings: a fault with a level."""

from __future__ import annotations

from gateway.documents import load_documents
from gateway.policy_tools.finding import make_finding


def test_a_finding_names_file_line_and_key() -> None:
    (document,) = load_documents("spec:\n  rules: []\n", "b.yaml")
    finding = make_finding("warning", document, ("spec", "rules"), "is empty")
    assert str(finding) == "warning: b.yaml:2:3: spec.rules: is empty"
