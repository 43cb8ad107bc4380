"""Waivers: what they let through, for whom and until when, and that they let nothing else through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.call import Caller
from gateway.faults import FaultsError
from gateway.policy import Decider, Decision, PolicyInput
from gateway.policy.model import Waiver
from tests.policy.conftest import Load, MakeRequest, Refuse
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.policy import Bundle

WAIVED: dict[str, Any] = {
    "binding": "b",
    "rules": ["r0"],
    "owner": "infra@example.com",
    "ticket": "OPS-1412",
    "expires": "2026-12-31",
}
ERROR = "request.labels['x'] == 'y'"
# From the first moment of this day on, UTC, the waiver has no effect.
END = datetime(2026, 12, 31, tzinfo=UTC)


def waiver_text(name: Any = "w", **spec: Any) -> str:
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Waiver",
        "metadata": {"name": name},
        "spec": {key: value for key, value in (WAIVED | spec).items() if value is not None},
    }
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=10_000)


def decide(bundle: Bundle, make_request: MakeRequest, now: datetime = NOW, **fields: Any) -> Decision:
    return Decider(bundle).decide(PolicyInput(CREATE, make_request(**fields), UNKNOWN_CALLER, now))


@pytest.mark.parametrize(
    ("now", "is_allowed"),
    [
        (NOW, True),
        (END - timedelta(microseconds=1), True),
        (END, False),
        (END + timedelta(days=1), False),
        # 02:59 in Moscow is still the day before in UTC.
        (datetime(2026, 12, 31, 2, 59, 59, tzinfo=timezone(timedelta(hours=3))), True),
        (datetime(2026, 12, 31, 3, tzinfo=timezone(timedelta(hours=3))), False),
    ],
)
def test_a_waiver_ends_with_the_first_moment_of_its_date(
    load: Load, make_request: MakeRequest, now: datetime, *, is_allowed: bool
) -> None:
    bundle = load(policy_text("false"), binding_text(), waiver_text())
    decision = decide(bundle, make_request, now)
    assert decision.is_allowed is is_allowed
    found = decision.waived if is_allowed else decision.violations
    assert [one.rule for one in found] == ["r0"]
    assert decision.waivers == (("w",) if is_allowed else ())


EXPIRIES = [
    ("2026-12-31", END),
    ("2026-12-31T00:00:00Z", END),
    ("2026-12-31T03:00:00+03:00", END),
    ("2026-12-31T18:30:00.5Z", datetime(2026, 12, 31, 18, 30, 0, 500_000, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "end"), EXPIRIES)
def test_reads_dates_and_times(text: str, end: datetime) -> None:
    assert Waiver.model_validate(yaml.safe_load(waiver_text(expires=text))).spec.expires == end


@pytest.mark.parametrize(
    "text",
    ["2026-12-31T18:00:00", "31.12.2026", "never", "", "20261231", 1798675200],
)
def test_refuses_times_that_could_be_read_in_two_ways(refuse: Refuse, text: Any) -> None:
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(expires=text))
    assert "spec.expires: " in fault
    assert "a date as 2026-12-31, or a time with its zone as 2026-12-31T18:00:00Z" in fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-02-30", "there is no such day: February 2026 has 28 days"),
        ("2028-02-30", "there is no such day: February 2028 has 29 days"),
        ("2026-04-31T18:00:00Z", "there is no such day: April 2026 has 30 days"),
        ("2026-01-00", "there is no such day: January 2026 has 31 days"),
        ("2026-13-01", "there is no month 13"),
        ("0000-01-01", "there is no year 0"),
    ],
)
def test_refuses_days_that_do_not_exist(refuse: Refuse, text: str, reason: str) -> None:
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(expires=text))
    assert fault.endswith(f"spec.expires: {text!r}: {reason}")


@pytest.mark.parametrize("key", ["owner", "ticket", "expires", "rules", "binding"])
def test_somebody_answers_for_a_waiver_and_it_ends(refuse: Refuse, key: str) -> None:
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(name="w", **{key: None}))
    assert fault.endswith(f"spec.{key}: is required")


@pytest.mark.parametrize("key", ["owner", "ticket"])
def test_nobody_answers_by_an_empty_name(refuse: Refuse, key: str) -> None:
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(name="w", **{key: ""}))
    assert f"spec.{key}: " in fault


MISNAMED: dict[str, tuple[dict[str, Any], str]] = {
    "rule": ({"rules": ["r00"]}, "spec.rules[0]: the policy p has no rule 'r00'; did you mean r0?"),
    "binding": ({"binding": "bb"}, "spec.binding: there is no binding 'bb'; did you mean b?"),
    "condition": ({"when": "request.nam == ''"}, "spec.when: undefined field 'nam'"),
    "type": ({"when": "request.name"}, "spec.when: gives STRING, but has to give BOOL"),
    "key": (
        {"until": "2027-01-01"},
        "spec.until: unknown key; accepted here: binding, expires, owner, rules",
    ),
}


@pytest.mark.parametrize("name", MISNAMED)
def test_what_a_waiver_names_exists(refuse: Refuse, name: str) -> None:
    spec, message = MISNAMED[name]
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(**spec))
    assert message in fault
    assert fault.startswith("bundle.yaml:")


@pytest.mark.parametrize(
    ("when", "is_allowed"),
    [
        ("request.name == 'trial'", True),
        ("request.name != 'trial'", False),
        (ERROR, False),
        (f"{ERROR} || true", True),
        ("1 / 0 == 1", False),
    ],
)
def test_a_condition_has_to_be_true(
    load: Load, make_request: MakeRequest, when: str, *, is_allowed: bool
) -> None:
    bundle = load(policy_text("false"), binding_text(), waiver_text(when=when))
    assert decide(bundle, make_request, name="trial").is_allowed is is_allowed


def test_a_condition_may_be_about_the_caller(load: Load, make_request: MakeRequest) -> None:
    bundle = load(policy_text("false"), binding_text(), waiver_text(when="'infra' in caller.groups"))
    for groups, is_allowed in ((("infra",), True), (("other",), False)):
        policy_input = PolicyInput(CREATE, make_request(), Caller(groups=groups), NOW)
        assert Decider(bundle).decide(policy_input).is_allowed is is_allowed


@pytest.mark.parametrize("rule", [ERROR, "1 / 0 == 1"])
def test_a_rule_that_fails_is_never_waived(load: Load, make_request: MakeRequest, rule: str) -> None:
    decision = decide(load(policy_text(rule), binding_text(), waiver_text()), make_request)
    assert not decision.is_allowed
    assert [one.is_error for one in decision.violations] == [True]
    assert decision.waived == ()


def test_the_condition_of_a_binding_is_never_waived(load: Load, make_request: MakeRequest) -> None:
    bundle = load(policy_text("true"), binding_text(when=ERROR), waiver_text())
    assert not decide(bundle, make_request).is_allowed
    for rules in ({"name": "when", "assert": "true"}, "true"):  # no rule is called so, and no waiver names it
        with pytest.raises(FaultsError, match="when"):
            load(policy_text(rules), binding_text(when=ERROR), waiver_text(rules=["when"]))


def test_a_setting_that_fails_is_never_waived(load: Load, make_request: MakeRequest) -> None:
    settings = [{"field": "name", "value": "request.labels['x']"}]
    bundle = load(policy_text("false", set=settings), binding_text(), waiver_text())
    decision = decide(bundle, make_request)
    assert [one.rule for one in decision.violations] == ["set[0]"]
    assert [one.rule for one in decision.waived] == ["r0"]


def test_a_waiver_is_for_the_rules_and_the_binding_that_it_names(
    load: Load, make_request: MakeRequest
) -> None:
    bundle = load(policy_text("false", "false"), binding_text("b"), binding_text("c"), waiver_text())
    decision = decide(bundle, make_request)
    assert [(one.binding, one.rule) for one in decision.waived] == [("b", "r0")]
    assert [(one.binding, one.rule) for one in decision.violations] == [
        ("b", "r1"),
        ("c", "r0"),
        ("c", "r1"),
    ]


def test_the_first_waiver_that_applies_is_the_one_that_is_reported(
    load: Load, make_request: MakeRequest
) -> None:
    waivers = [
        waiver_text("expired", expires="2025-01-01"),
        waiver_text("failing", when=ERROR),
        waiver_text("other", when="false"),
        waiver_text("first"),
        waiver_text("second"),
    ]
    decision = decide(load(policy_text("false"), binding_text(), *waivers), make_request)
    assert decision.waivers == ("first",)


def test_a_waiver_changes_nothing_for_a_rule_that_is_met(load: Load, make_request: MakeRequest) -> None:
    decision = decide(load(policy_text("true"), binding_text(), waiver_text()), make_request)
    assert (decision.violations, decision.waived, decision.waivers) == ((), (), ())


def test_a_warning_may_be_waived_too(load: Load, make_request: MakeRequest) -> None:
    decision = decide(load(policy_text("false"), binding_text(action="warn"), waiver_text()), make_request)
    assert decision.warnings() == ()
    assert [one.waiver for one in decision.waived] == ["w"]


def test_two_waivers_of_one_name_are_refused(refuse: Refuse) -> None:
    (fault,) = refuse(policy_text("false"), binding_text(), waiver_text(), waiver_text())
    assert "metadata.name: 'w' is defined at bundle.yaml:" in fault
