"""The rates of a call: which ones, in which order, all or none."""

from __future__ import annotations

from gateway.config import Limits
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.limits.rates import RateTable, check_in_process

GET, CREATE = "a.B/Get", "a.B/Create"
LIMITS = Limits(
    rate=Rate(4, 1),
    per_caller=CallLimits(rate=Rate(2, 1)),
    per_method={CREATE: CallLimits(rate=Rate(1, 60)), GET: CallLimits(concurrency=1)},
)


def check(table: RateTable, method: str, caller: str, now: float = 1000.0) -> str | None:
    found = check_in_process(table.find(method), caller, now)
    return found[0].limit if found else None


def test_the_rates_of_caller_method_and_all_calls_apply_in_this_order() -> None:
    table = RateTable(LIMITS)
    assert [one.key for one in table.find(CREATE)] == [
        "limits.per_caller.rate",
        f"limits.per_method.{CREATE}.rate",
        "limits.rate",
    ]
    for method in (GET, ""):
        assert [one.limit for one in table.find(method)] == ["per_caller.rate", "rate"]
    assert list(RateTable(Limits()).find(CREATE)) == []


def test_a_call_counts_only_if_all_rates_allow_it() -> None:
    table = RateTable(LIMITS)
    assert [check(table, CREATE, "a") for _ in range(3)] == [None, "per_method.rate", "per_method.rate"]
    assert [check(table, GET, "a") for _ in range(3)] == [None, "per_caller.rate", "per_caller.rate"]
    assert [check(table, GET, "b") for _ in range(3)] == [None, None, "per_caller.rate"]
    assert [check(table, "", "c") for _ in range(2)] == ["rate", "rate"]


def test_the_error_names_whose_limit_it_is() -> None:
    table = RateTable(LIMITS)
    caller, method, total = table.find(CREATE)
    assert caller.refuse(0.5).message.startswith("the caller's limit of 2/second (limits.per_caller.rate)")
    assert method.refuse(0.5).message.startswith(
        f"the method's limit of 1/minute (limits.per_method.{CREATE}"
    )
    assert total.refuse(0.5).message.startswith("the gateway's limit of 4/second (limits.rate)")
    assert (caller.counted_key("a"), method.counted_key("a"), total.counted_key("a")) == ("a", "", "")
