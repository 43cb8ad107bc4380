"""A finding: its level, its text and its position."""

from __future__ import annotations

from gateway.documents import load_documents
from gateway.policy_tools.finding import make_finding


def test_a_finding_points_at_a_key() -> None:
    (document,) = load_documents("spec:\n  rules:\n    - name: r\n", "a.yaml")
    finding = make_finding("note", document, ("spec", "rules", 0, "name"), "may be intended")
    assert (finding.level, finding.fault.key) == ("note", "spec.rules[0].name")
    assert (finding.fault.position.line, finding.fault.position.column) == (3, 7)
    assert str(finding) == "note: a.yaml:3:7: spec.rules[0].name: may be intended"
