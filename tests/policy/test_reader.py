from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.reader import read_documents
from tests.policy.conftest import Refuse
from tests.policy.making import binding_text, policy_text
from tests.policy.test_params import params_text
from tests.policy.test_waivers import waiver_text

SUITE = """\
---
apiVersion: baremetal-gateway/v1
kind: Tests
metadata: {name: t}
cases:
  - {name: a, method: m, request: {}, expect: {decision: allow}}
"""


def test_sorts_documents_by_kind_and_name() -> None:
    texts = {
        "b.yaml": policy_text("true") + binding_text() + SUITE,
        "a.yaml": params_text(a=1) + waiver_text() + policy_text("true", name="q"),
        "c/d.yaml": SUITE,
    }
    documents, faults = read_documents(texts)
    assert faults == []
    assert documents.is_whole
    assert list(documents.policies) == ["q", "p"]  # in the order of the files, and within them
    assert list(documents.bindings) == ["b"]
    assert list(documents.params) == ["shared"]
    assert list(documents.waivers) == ["w"]
    assert list(documents.suites) == ["b.yaml", "c/d.yaml"]
    assert documents.refused == []


def test_keeps_the_place_of_every_part() -> None:
    documents, _ = read_documents({"a.yaml": "# a comment\n" + waiver_text()})
    _, document = documents.waivers["w"]
    assert str(document.position(("spec", "expires"))) == "a.yaml:13:3"


def test_kinds_have_names_of_their_own() -> None:
    documents, faults = read_documents({"a": policy_text("true", name="x") + binding_text("x", "x")})
    assert (faults, list(documents.policies), list(documents.bindings)) == ([], ["x"], ["x"])


UNREADABLE: dict[str, tuple[str, str]] = {
    "no YAML": ("a: [", "a.yaml:2:1: not valid YAML: "),
    "a tab": ("a:\n\tb: 1\n", "a.yaml:2:1: not valid YAML: a tab is not allowed here; indent with spaces"),
    "a key twice": ("kind: Policy\nkind: Binding\n", "a.yaml:2:1: kind: is given twice; keep one"),
    "a tag": (
        "kind: !!python/name:os.system x\n",
        "a.yaml:1:7: kind: the tag tag:yaml.org,2002:python/name:os",
    ),
    "NUL": ("a\0b", "a.yaml: not valid YAML: unacceptable character"),
    "deep": ("[" * 100_000, "a.yaml:1:65: too large: over 64 levels or 200000 values"),
    "an alias to nothing": ("a: *b\n", "a.yaml:1:4: not valid YAML: found undefined alias"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named(name: str) -> None:
    text, message = UNREADABLE[name]
    documents, faults = read_documents({"a.yaml": text, "b.yaml": policy_text("true")})
    assert not documents.is_whole
    assert [str(fault)[: len(message)] for fault in faults] == [message]
    assert list(documents.policies) == ["p"]


def test_many_aliases_make_no_large_value() -> None:
    """The "billion laughs": each level holds the one below ten times."""
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    documents, (fault,) = read_documents({"a.yaml": f"l0: &l0 [x]\n{levels}\n"})
    assert "too large" in str(fault)
    assert not documents.is_whole


# A document that is misspelt → its fault, which says what was probably meant.
MISSPELT: dict[str, tuple[str, str]] = {
    "a kind": (
        policy_text("true").replace("kind: Policy", "kind: policy"),
        "kind: 'policy' is no kind of document",
    ),
    "a version": (
        policy_text("true").replace("/v1", "/v1beta1"),
        "apiVersion: 'baremetal-gateway/v1beta1' is not",
    ),
    "metadata": (
        policy_text("true").replace("  name: p", "  nam: p"),
        "metadata.nam: unknown key; did you mean name?",
    ),
    "a key of the document": (
        policy_text("true") + "satus: {}\n",
        "satus: unknown key; accepted here: apiVersion",
    ),
    "a key of a setting": (
        policy_text(set=[{"feild": "name", "value": "'x'"}]),
        "spec.set[0].feild: unknown key; did you mean field? accepted here: field, value, when",
    ),
    "a key of a waiver": (
        waiver_text(expire="2027-01-01"),
        "spec.expire: unknown key; did you mean expires? accepted here: binding, expires, owner, rules",
    ),
    "a key of a binding": (
        binding_text(paramFrom=["x"]),
        "spec.paramFrom: unknown key; did you mean paramsFrom? accepted here: action, params, paramsFrom",
    ),
    "a key of a case": (
        SUITE.replace("request:", "reqest:"),
        "cases[0].reqest: unknown key; did you mean request? accepted here: caller, expect, method",
    ),
    "a key of what is expected": (
        SUITE.replace("decision: allow", "decision: allow, violation: []"),
        "cases[0].expect.violation: unknown key; did you mean violations?",
    ),
    "a severity": (
        policy_text({"assert": "true", "severity": "hgih"}),
        "spec.rules[0].severity: 'hgih' is not accepted; use 'low', 'medium', 'high' or 'critical'",
    ),
    "a name": (policy_text("true", name="P"), "metadata.name: 'P': a name is of a-z, 0-9, '-' and '.'"),
    "a variable": (
        policy_text("true", variables={"a-b": "1"}),
        "'a-b': a variable is a CEL identifier other",
    ),
    "a list": (policy_text("true", methods="x"), "spec.methods: input should be a valid list, not 'x'"),
    "a time without its zone": (
        SUITE.replace("request:", "now: 2026-01-01T00:00:00, request:"),
        "cases[0].now: '2026-01-01T00:00:00': a date as 2026-12-31, or a time with its zone as ",
    ),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_says_what_was_meant(name: str) -> None:
    text, message = MISSPELT[name]
    documents, faults = read_documents({"a.yaml": text})
    assert any(message in str(fault) for fault in faults), list(map(str, faults))
    assert all(fault.position.line and fault.position.column for fault in faults)
    assert len(documents.refused) == 1


REFUSED: list[Any] = [None, [], "text", 1, {"metadata": None}, {"metadata": []}, {"metadata": {"name": [1]}}]


def test_names_of_refused_documents() -> None:
    documents, _ = read_documents({})
    documents.refused += [
        *REFUSED,
        {"metadata": {"name": "a"}},
        {"metadata": {"name": "b"}, "spec": {"policy": "c"}},
    ]
    assert documents.refused_names("metadata", "name") == {"a", "b"}
    assert documents.refused_names("spec", "policy") == {"c"}


def test_what_a_refused_document_holds_is_not_missing(refuse: Refuse) -> None:
    faults = refuse(policy_text("true", severity="x"), binding_text(), waiver_text())
    assert [fault.partition(": ")[2].partition(":")[0] for fault in faults] == ["spec.severity"]


def test_a_secret_in_a_wrong_place_is_not_reported() -> None:
    link = "https://user:pa55word@example.com/x?X-Amz-Signature=5ec4e7"
    _, (fault,) = read_documents({"a.yaml": binding_text(action=link)})
    assert "pa55word" not in str(fault)
    assert "5ec4e7" not in str(fault)


def test_tests_stand_together_and_comments_count_for_nothing() -> None:
    documents, (fault,) = read_documents({"a.yaml": "---\n# nothing\n" + SUITE + SUITE})
    assert str(fault) == "a.yaml:10:1: the file already contains tests; merge the cases"
    assert list(documents.suites) == ["a.yaml"]


EMPTY = ["", " \n\n", "# a comment\n", "---\n", "---\n# a comment\n---\n", "~\n", "\ufeff", "--- null\n..."]


@pytest.mark.parametrize("text", EMPTY)
def test_a_file_without_documents_is_a_fault(text: str) -> None:
    documents, (fault,) = read_documents({"a.yaml": policy_text("true") + binding_text(), "b.yaml": text})
    assert str(fault).startswith("b.yaml: contains no documents")
    assert "restore its content, or delete the file" in fault.message
    assert not documents.is_whole


def test_what_stood_in_an_emptied_file_is_not_called_missing(refuse: Refuse) -> None:
    (fault,) = refuse(a=policy_text("true") + waiver_text(), b="")
    assert "contains no documents" in fault


def test_an_empty_document_beside_others_counts_for_nothing() -> None:
    """Templates leave them behind, and other tools skip them."""
    text = f"---\n---\n{policy_text('true')}---\n# nothing\n{binding_text()}---\n"
    documents, faults = read_documents({"a.yaml": text})
    assert faults == []
    assert (list(documents.policies), list(documents.bindings)) == (["p"], ["b"])


def test_a_name_stands_once() -> None:
    _, (fault,) = read_documents({"a.yaml": binding_text(), "b.yaml": binding_text()})
    assert str(fault) == "b.yaml:5:3: metadata.name: 'b' is defined at a.yaml:5:3 already"
