from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway.faults import key_of
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load, Refuse

FOR = re.compile(r" \((?:in the binding b, )?for [^ ]+\)$")

HEAD = f"""\
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: p}}
spec:
  methods: [{CREATE}]
  rules:
    - name: r
"""

# A rule as it is written → line and column of `nope`, which stands on line 8 or below.
PLACES = {
    "plain": ("      assert: request.nope == ''\n", 8, 23),
    "plain, late in the line": ("      assert: true && request.nope == ''\n", 8, 31),
    "single quotes": ("      assert: 'request.nope == \"\"'\n", 8, 24),
    "double quotes": ("      assert: \"request.nope == ''\"\n", 8, 24),
}

BLOCKS = {
    "literal": ("      assert: |\n        true &&\n        request.nope == ''\n", 10),
    "literal, first line": ("      assert: |\n        request.nope == ''\n", 9),
    "literal, stripped": ("      assert: |-\n        true &&\n\n        request.nope == ''\n", 11),
}


@pytest.mark.parametrize("name", PLACES)
def test_points_into_a_line(refuse: Refuse, name: str) -> None:
    text, line, column = PLACES[name]
    (fault,) = refuse(HEAD + text, binding_text())
    assert fault.startswith(f"bundle.yaml:{line}:{column}: spec.rules[0].assert: undefined field 'nope'")


@pytest.mark.parametrize("name", BLOCKS)
def test_points_to_a_line_of_a_block(refuse: Refuse, name: str) -> None:
    text, line = BLOCKS[name]
    (fault,) = refuse(HEAD + text, binding_text())
    assert fault.startswith(f"bundle.yaml:{line}:")
    assert "spec.rules[0].assert: undefined field 'nope'" in fault


# A policy and a binding → the faults, without the file and line.
REFUSED: dict[str, tuple[str, str, list[str]]] = {
    "missing parameter": (
        policy_text("request.name in params.name"),
        binding_text(params={"names": ["a"]}),
        ["spec.rules[0].assert: the binding b gives no parameter 'name'; did you mean names?"],
    ),
    "missing parameter, nothing near": (
        policy_text("request.name in params.xyz"),
        binding_text(),
        ["spec.rules[0].assert: the binding b gives no parameter 'xyz'"],
    ),
    "params as a whole": (
        policy_text("params.size() == 1"),
        binding_text(params={"a": 1}),
        ["spec.rules[0].assert: undeclared reference to 'params'; did you mean params.a?"],
    ),
    "type of a parameter": (
        policy_text("params.a == 'x'"),
        binding_text(params={"a": 1}),
        [
            (
                "spec.rules[0].assert: found no matching overload for '_==_' applied to '(int, string)'; "
                "compare values of one type: int(…) reads a number, string(…) writes one"
            )
        ],
    ),
    "no condition": (
        policy_text("request.uri"),
        binding_text(),
        ["spec.rules[0].assert: gives STRING, but has to give BOOL"],
    ),
    "no text": (
        policy_text({"assert": "true", "message": "1"}),
        binding_text(),
        ["spec.rules[0].message: gives INT, but has to give STRING"],
    ),
    "message": (
        policy_text({"assert": "true", "message": "request.url"}),
        binding_text(),
        [
            (
                "spec.rules[0].message: undefined field 'url' not found in struct "
                "'yandex.cloud.baremetal.v1alpha.CreateImageRequest'; did you mean uri?"
            )
        ],
    ),
    "when": (
        policy_text("true"),
        binding_text(when="request.name"),
        ["spec.when: gives STRING, but has to give BOOL"],
    ),
    "when reads an unknown variable": (
        policy_text("true", variables={"v": "1"}),
        binding_text(when="w == 1"),
        ["spec.when: undeclared reference to 'w'"],
    ),
    "variable": (
        policy_text("v == 1", variables={"v": "request.nope"}),
        binding_text(),
        [
            (
                "spec.variables.v: undefined field 'nope' not found in struct "
                "'yandex.cloud.baremetal.v1alpha.CreateImageRequest'"
            )
        ],
    ),
    "variable before its own": (
        policy_text("a == 1", variables={"a": "bb", "bb": "1"}),
        binding_text(),
        ["spec.variables.a: undeclared reference to 'bb'"],
    ),
    "field": (
        policy_text({"assert": "true", "field": "url"}),
        binding_text(),
        [
            (
                "spec.rules[0].field: there is no field 'url'; did you mean uri? "
                "fields: folder_id, name, description, uri, labels"
            )
        ],
    ),
    "matches": (
        policy_text("request.uri.matches('(')"),
        binding_text(),
        ["spec.rules[0].assert: not an RE2 pattern: missing ): ("],
    ),
    "everything": (
        policy_text(
            {"assert": "request.a == 1", "message": "request.b", "field": "c"},
            "request.d == 1",
            variables={"v": "request.e"},
        ),
        binding_text(when="request.f == 1"),
        [
            f"{key}: undefined field '{field}' not found in struct "
            "'yandex.cloud.baremetal.v1alpha.CreateImageRequest'"
            for key, field in (
                ("spec.variables.v", "e"),
                ("spec.when", "f"),
                ("spec.rules[0].assert", "a"),
                ("spec.rules[0].message", "b"),
            )
        ]
        + [
            "spec.rules[0].field: there is no field 'c'; fields: folder_id, name, description, uri, labels",
            (
                "spec.rules[1].assert: undefined field 'd' not found in struct "
                "'yandex.cloud.baremetal.v1alpha.CreateImageRequest'"
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_does_not_compile(refuse: Refuse, name: str) -> None:
    policy, binding, expected = REFUSED[name]
    faults = [fault.partition(": ")[2] for fault in refuse(policy, binding)]
    assert [FOR.sub("", fault) for fault in faults] == expected
    assert all(CREATE in fault for fault in faults)


def test_a_policy_fits_every_method_that_it_is_about(refuse: Refuse) -> None:
    methods = [f"{SERVICE}/{name}" for name in ("Create", "Update", "Get")]
    faults = refuse(policy_text("request.name == ''", methods=methods), binding_text())
    assert [fault.rpartition("/")[2] for fault in faults] == ["Get)"]


USES: list[dict[str, Any]] = [
    {"rule": "params.x == 1"},
    {"rule": {"assert": "true", "message": "string(params.x)"}},
    {"rule": "true", "spec": {"variables": {"v": "params.x"}}},
    {"rule": "true", "binding": {"when": "params.x == 1"}},
    {"rule": "false && params.x == 1"},
    {"rule": "[1].all(one, one == params.x)"},
]


@pytest.mark.parametrize("use", [pytest.param(use, id=str(number)) for number, use in enumerate(USES)])
def test_a_parameter_may_be_read_anywhere(load: Load, use: dict[str, Any]) -> None:
    load(
        policy_text(use["rule"], **use.get("spec", {})),
        binding_text(params={"x": 1}, **use.get("binding", {})),
    )


@pytest.mark.parametrize(
    ("path", "key"),
    [((), ""), (("spec", "rules", 0, "assert"), "spec.rules[0].assert"), (("cases", 1), "cases[1]")],
)
def test_keys(path: tuple[str | int, ...], key: str) -> None:
    assert key_of(path) == key


def test_a_refused_variable_is_the_only_fault_of_what_reads_it(refuse: Refuse) -> None:
    faults = refuse(policy_text("v", "w", variables={"v": "request.nope", "w": "v"}), binding_text())
    assert [fault.partition(": ")[2].partition(":")[0] for fault in faults] == ["spec.variables.v"]
