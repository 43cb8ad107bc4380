from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema
    from tests.policy.conftest import Load, Refuse

KINDS = "kinds: Policy, Binding, Params, Waiver, Tests"
GOOD = policy_text("true") + binding_text()
TESTS = """\
---
apiVersion: baremetal-gateway/v1
kind: Tests
metadata: {name: t}
cases:
  - {name: a, method: m, request: {}, expect: {decision: allow}}
"""

# What stands in the bundle → its faults, each at its line and column.
FAULTS = {
    "unknown key": (
        policy_text("true", ruls=1) + binding_text(acton="deny"),
        [
            (
                "bundle.yaml:9:3: spec.ruls: unknown key; did you mean rules? "
                "accepted here: methods, rules, set, variables"
            ),
            (
                "bundle.yaml:20:3: spec.acton: unknown key; did you mean action? "
                "accepted here: action, params, paramsFrom, policy, when"
            ),
        ],
    ),
    "unknown key of a rule": (
        policy_text({"assert": "true", "mesage": "'x'"}) + binding_text(),
        [
            (
                "bundle.yaml:12:5: spec.rules[0].mesage: unknown key; did you mean message? "
                "accepted here: assert, field, fix, message, name, severity"
            )
        ],
    ),
    "unknown policy": (
        policy_text("true", name="one") + binding_text("a", "one") + binding_text("b", "on"),
        ["bundle.yaml:25:3: spec.policy: there is no policy 'on'; did you mean one?"],
    ),
    "unbound policy": (
        GOOD + policy_text("true", name="q"),
        ["bundle.yaml:23:3: metadata.name: no binding applies the policy 'q'"],
    ),
    "nothing is bound": (
        policy_text("true"),
        ["bundle.yaml:5:3: metadata.name: no binding applies the policy 'p'"],
    ),
    "one policy twice": (
        policy_text("true") + GOOD,
        ["bundle.yaml:16:3: metadata.name: 'p' is defined at bundle.yaml:5:3 already"],
    ),
    "one binding twice": (
        GOOD + binding_text(),
        ["bundle.yaml:23:3: metadata.name: 'b' is defined at bundle.yaml:16:3 already"],
    ),
    "one rule twice": (
        policy_text({"name": "a", "assert": "true"}, {"name": "a", "assert": "true"}) + binding_text(),
        [
            "bundle.yaml:10:5: spec.rules[0].name: two rules are called 'a'",
            "bundle.yaml:12:5: spec.rules[1].name: two rules are called 'a'",
        ],
    ),
    "unknown method": (
        policy_text("true", methods=[f"{SERVICE}/Creat", "*/Nothing", CREATE]) + binding_text(),
        [
            f"bundle.yaml:8:5: spec.methods[0]: '{SERVICE}/Creat' is no known method; did you mean {CREATE}?",
            "bundle.yaml:9:5: spec.methods[1]: '*/Nothing' is no known method",
        ],
    ),
    "unused parameter": (
        policy_text("params.a == 1") + binding_text(params={"a": 1, "b": 2}),
        ["bundle.yaml:21:5: spec.params.b: the policy p reads no parameter 'b'"],
    ),
    "wrong kind": (
        GOOD.replace("Policy", "Polcy"),
        [f"bundle.yaml:3:1: kind: 'Polcy' is no kind of document; {KINDS}"],
    ),
    "kind is a list": (
        GOOD + "---\nkind: [Policy]\n",
        [f"bundle.yaml:20:1: kind: ['Policy'] is no kind of document; {KINDS}"],
    ),
    "no kind": (
        GOOD + "---\napiVersion: baremetal-gateway/v1\n",
        [f"bundle.yaml:20:1: kind: is required; {KINDS}"],
    ),
    "a text": (
        GOOD + "---\ntext\n",
        [f"bundle.yaml:20:1: kind: is required; {KINDS}"],
    ),
    "wrong version": (
        GOOD.replace("gateway/v1", "gateway/v2", 1),
        ["bundle.yaml:2:1: apiVersion: 'baremetal-gateway/v2' is not accepted; use 'baremetal-gateway/v1'"],
    ),
    "wrong action": (
        policy_text("true") + binding_text(action="block"),
        ["bundle.yaml:19:3: spec.action: 'block' is not accepted; use 'deny', 'warn' or 'audit'"],
    ),
    "null parameter": (
        policy_text("params.x == 1") + binding_text(params={"x": None}),
        ["bundle.yaml:20:5: spec.params.x: null: a parameter cannot be null; leave it out"],
    ),
    "deep parameter": (
        policy_text("params.x == 1") + binding_text(params={"x": [[[[[[[[[1]]]]]]]]]}),
        ["bundle.yaml:20:5: spec.params.x: [[[[[[[[[1]]]]]]]]]: a parameter is nested at most 8 levels deep"],
    ),
    "missing parts": (
        GOOD + "---\napiVersion: baremetal-gateway/v1\nkind: Policy\nmetadata: {}\nspec: {}\n",
        [
            "bundle.yaml:22:1: metadata.name: is required",
            "bundle.yaml:23:1: spec.methods: is required",
        ],
    ),
    "nothing to do": (
        GOOD + policy_text(name="q", methods=["*/Create"]) + binding_text("c", "q"),
        ["bundle.yaml:24:1: spec: a policy has rules, or fields to set"],
    ),
    "tests twice in a file": (
        GOOD + TESTS + TESTS,
        ["bundle.yaml:26:1: the file already contains tests; merge the cases"],
    ),
    "faulty tests": (
        GOOD + TESTS.replace("allow", "maybe"),
        [
            "bundle.yaml:24:48: cases[0].expect.decision: 'maybe' is not accepted; use 'allow' or 'deny'",
        ],
    ),
    "nothing but tests": (TESTS, ["bundle: contains no binding, so no rule is active"]),
    "nothing but comments": (
        "# nothing\n",
        ["bundle.yaml: contains no documents; restore its content, or delete the file"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_names_faults_with_their_places(refuse: Refuse, name: str) -> None:
    text, faults = FAULTS[name]
    assert refuse(text) == faults


def test_an_empty_bundle_is_refused(refuse: Refuse) -> None:
    assert refuse() == ["bundle: contains no binding, so no rule is active"]


def test_names_the_faults_of_every_file_at_once(refuse: Refuse) -> None:
    faults = refuse(
        a=policy_text("request.nope == ''", "true && nope", "request.uri") + binding_text(when="1"),
        b="a: [",
        c="kind: Nothing\n",
        d=policy_text("true", name="q", methods=["*/Nope"]) + binding_text("c", "q", params={"x": 1}),
        e=TESTS.replace("name: a,", ""),
    )
    places = [fault.partition(": ")[0] for fault in faults]
    assert places == [
        "b.yaml:2:1",
        "c.yaml:1:1",
        "e.yaml:6:5",
        "d.yaml:8:5",
        "a.yaml:23:10",
        "a.yaml:11:21",
        "a.yaml:13:21",
        "a.yaml:15:13",
    ]


def test_a_file_that_cannot_be_read_makes_no_further_faults(refuse: Refuse) -> None:
    """What it holds is not known, so nothing is said to be missing."""
    for other in (binding_text(policy="in-a"), policy_text("true")):
        (fault,) = refuse(a="a: [", b=other)
        assert fault.startswith("a.yaml:2:1: not valid YAML")


def test_a_fault_in_shared_expressions_is_reported_once(refuse: Refuse) -> None:
    faults = refuse(policy_text("request.nope == ''"), binding_text("a"), binding_text("b"))
    assert len(faults) == 1


def test_a_policy_is_bound_from_another_file(schema: Schema) -> None:
    files = {"z.yaml": policy_text("true"), "a/b.yaml": binding_text()}
    bundle = load_bundle(BundleFiles(files), schema)
    assert [one.name for one in bundle.programs[CREATE].bindings] == ["b"]
    assert bundle.rules == {"p/r0"}


def test_bindings_keep_the_order_of_the_files(schema: Schema) -> None:
    files = {
        "b.yaml": binding_text("first"),
        "a.yaml": policy_text("true"),
        "c.yaml": binding_text("z") + binding_text("a"),
    }
    bundle = load_bundle(BundleFiles(files), schema)
    assert [one.name for one in bundle.programs[CREATE].bindings] == ["first", "z", "a"]


def test_a_star_stands_for_any_text(load: Load) -> None:
    bundle = load(policy_text("true", methods=[f"{SERVICE}/*e*te"]), binding_text())
    assert set(bundle.programs) == {f"{SERVICE}/{name}" for name in ("Create", "Update", "Delete")} - {
        f"{SERVICE}/Update"
    }


def test_empty_documents_do_not_count(load: Load) -> None:
    assert load("---\n# a comment\n", GOOD, "---\n").rules == {"p/r0"}


def test_suites_are_known_by_their_files(schema: Schema) -> None:
    bundle = load_bundle(BundleFiles({"a.yaml": GOOD, "tests/a.yaml": TESTS, "tests/b.yaml": TESTS}), schema)
    assert list(bundle.suites) == ["tests/a.yaml", "tests/b.yaml"]


def test_a_bundle_is_refused_that_takes_too_much_as_a_whole(refuse: Refuse) -> None:
    rules = [f"request.uri.split('').map(c, c + '{number}').size() > 0" for number in range(10)]
    bindings = [binding_text(f"b{number}") for number in range(10)]
    (fault,) = refuse(policy_text(*rules), *bindings)
    assert fault.partition(" a call of ")[0].endswith(": metadata.name: with this binding")
    assert "4,000,000 are allowed" in fault
