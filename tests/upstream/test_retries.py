"""Which calls are retried, after which wait, and with which error they end."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from opentelemetry.sdk.resources import Resource

from gateway.call import Call, Caller, Reply, ReplyStream
from gateway.config import Upstream
from gateway.errors import Code, GatewayError, UpstreamError
from gateway.schema import Method, Schema
from gateway.telemetry import Health, Metrics, Tracing
from gateway.upstream import Channels, Forwarder, RetryingForwarder
from gateway.upstream.credentials import Credential, RefusedCredentialsError
from gateway.upstream.credentials.access_token import AccessToken
from gateway.upstream.credentials.errors import credentials_unavailable
from gateway.upstream.retries import FIRST_WAIT_S, MAX_WAIT_S, Backoff
from gateway.upstream.retry_budget import MAX_TOKENS, SUCCESSES_PER_TOKEN

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, GET = f"{SERVICE}/Create", f"{SERVICE}/Get"
AT_ONCE = Backoff(first_s=0.0)


def unavailable(*details: AnyMessage, may_have_acted: bool = True) -> GatewayError:
    return UpstreamError(Code.UNAVAILABLE, "busy", details, may_have_acted=may_have_acted)


def retry_info(delay: Duration) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return packed


class Scripted:
    """Fails as it is told, attempt by attempt, and then succeeds; keeps when each attempt was made."""

    def __init__(self, *failures: GatewayError) -> None:
        self.failures = list(failures)
        self.attempts: list[int] = []
        self.times: list[float] = []

    async def forward(self, call: Call, attempt: int = 1) -> Reply | ReplyStream:
        self.attempts.append(attempt)
        self.times.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        return Reply(message=call.method.reply(), metadata={})


class Retrying:
    """A forwarder with retries around a scripted one, and what it reports."""

    def __init__(
        self,
        *failures: GatewayError,
        attempts: int = 4,
        backoff: Backoff = AT_ONCE,
        channels: Channels | None = None,
    ) -> None:
        self.scripted = Scripted(*failures)
        self.metrics = Metrics(Resource({}))
        self.channels = channels or Channels(
            {"a": Upstream(address="127.0.0.1:1", tls=False)}, Health(), Metrics(Resource({}))
        )
        self.failed: list[tuple[int, GatewayError]] = []
        self._forwarder = RetryingForwarder(
            cast("Forwarder", self.scripted), {SERVICE: "a"}, self.channels, self.metrics, attempts, backoff
        )

    async def forward(self, call: Call) -> Reply | ReplyStream:
        return await self._forwarder.forward(call, lambda *arguments: self.failed.append(arguments))

    async def fail(self, call: Call) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.forward(call)
        return caught.value

    @property
    def attempts(self) -> int:
        return len(self.scripted.attempts)


def make_call(method: Method, key: str = "", within_s: float = 30.0) -> Call:
    return Call(
        id="request",
        method=method,
        caller=Caller(),
        request=method.request(),
        metadata={},
        deadline=asyncio.get_running_loop().time() + within_s,
        span=Tracing().start_server("x", {}, {}),
        idempotency_key=key,
    )


@pytest.fixture
async def read(schema: Schema) -> Call:
    return make_call(schema.methods[GET])


@pytest.fixture
async def change(schema: Schema) -> Call:
    return make_call(schema.methods[CREATE], "key")


async def test_a_call_that_succeeds_is_made_once(change: Call) -> None:
    retrying = Retrying()
    assert isinstance(await retrying.forward(change), Reply)
    assert (retrying.scripted.attempts, retrying.failed) == ([1], [])
    assert "gateway_upstream_retries_total{" not in retrying.metrics.expose().decode()


async def test_two_failures_in_a_row_are_ridden_out(change: Call) -> None:
    first, second = unavailable(), unavailable()
    retrying = Retrying(first, second)
    assert isinstance(await retrying.forward(change), Reply)
    assert retrying.scripted.attempts == [1, 2, 3]
    assert retrying.failed == [(1, first), (2, second)]
    assert 'gateway_upstream_retries_total{upstream="a"} 2.0' in retrying.metrics.expose().decode()


@pytest.mark.parametrize("attempts", [1, 2, 4])
async def test_the_number_of_attempts_is_limited(change: Call, attempts: int) -> None:
    failures = [unavailable() for _ in range(10)]
    retrying = Retrying(*failures, attempts=attempts)
    assert await retrying.fail(change) is failures[attempts - 1]
    assert retrying.attempts == attempts
    assert [number for number, _ in retrying.failed] == list(range(1, attempts))


async def test_no_callback_is_needed(change: Call) -> None:
    retrying = Retrying(unavailable())
    await retrying._forwarder.forward(change)  # noqa: SLF001 - as the pipeline calls it
    assert retrying.attempts == 2


@pytest.mark.parametrize("code", [code for code in Code if code not in {Code.OK, Code.UNAVAILABLE}])
async def test_other_codes_are_not_retried(read: Call, code: Code) -> None:
    retrying = Retrying(UpstreamError(code, "no"))
    assert (await retrying.fail(read)).code is code
    assert retrying.attempts == 1


@pytest.mark.parametrize(
    ("method", "key", "may_have_acted", "attempts"),
    [
        (CREATE, "key", True, 2),
        (CREATE, "key", False, 2),
        (CREATE, "", True, 1),
        (CREATE, "", False, 2),
        (GET, "", True, 2),
        (GET, "", False, 2),
    ],
)
async def test_a_call_is_retried_if_there_cannot_be_a_second_effect(
    schema: Schema, *, method: str, key: str, may_have_acted: bool, attempts: int
) -> None:
    retrying = Retrying(unavailable(may_have_acted=may_have_acted), UpstreamError(Code.NOT_FOUND, "no"))
    await retrying.fail(make_call(schema.methods[method], key))
    assert retrying.attempts == attempts


async def test_an_effect_of_an_earlier_attempt_is_not_forgotten(change: Call) -> None:
    refused = UpstreamError(Code.ALREADY_EXISTS, "there is one")
    retrying = Retrying(unavailable(may_have_acted=True), unavailable(may_have_acted=False), refused)
    assert await retrying.fail(change) is refused
    assert refused.may_have_acted
    assert [error.may_have_acted for _, error in retrying.failed] == [True, True]


async def test_without_an_effect_in_any_attempt_there_is_none(change: Call) -> None:
    retrying = Retrying(unavailable(may_have_acted=False), unavailable(may_have_acted=False), attempts=2)
    assert not (await retrying.fail(change)).may_have_acted


async def test_a_stream_is_not_retried(schema: Schema) -> None:
    method = replace(schema.methods[GET], server_streaming=True)
    retrying = Retrying(unavailable())
    assert (await retrying.fail(make_call(method))).code is Code.UNAVAILABLE
    assert (retrying.attempts, retrying.failed) == (1, [])


# Waits


def test_the_maximum_wait_doubles_up_to_a_limit() -> None:
    longest = Backoff(choose=lambda _, high: high)
    waits = [longest.wait_s(attempt) for attempt in range(1, 8)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert (waits[0], waits[-1]) == (FIRST_WAIT_S, MAX_WAIT_S)


def test_a_wait_is_any_part_of_its_maximum() -> None:
    assert Backoff(choose=lambda low, _: low).wait_s(3) == 0.0
    assert all(0.0 <= Backoff().wait_s(2) <= 2 * FIRST_WAIT_S for _ in range(100))


async def test_an_attempt_waits(change: Call) -> None:
    retrying = Retrying(unavailable(), unavailable(), backoff=Backoff(first_s=0.02, choose=max))
    await retrying.forward(change)
    first, second, third = retrying.scripted.times
    assert second - first >= 0.02
    assert third - second >= 0.04


async def test_no_attempt_starts_after_the_deadline(schema: Schema) -> None:
    failure = unavailable()
    retrying = Retrying(failure, backoff=Backoff(first_s=10.0, max_s=10.0, choose=max))
    started = asyncio.get_running_loop().time()
    assert await retrying.fail(make_call(schema.methods[CREATE], "key", within_s=5.0)) is failure
    assert asyncio.get_running_loop().time() - started < 1  # there is no use in waiting
    assert (retrying.attempts, retrying.failed) == (1, [])


async def test_the_deadline_may_pass_during_a_wait(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop is late."""
    failure, call = unavailable(), make_call(schema.methods[CREATE], "key", within_s=0.05)
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: sleep(0.06))
    retrying = Retrying(failure)
    assert await retrying.fail(call) is failure
    assert (retrying.attempts, retrying.failed) == (1, [])


async def test_a_wait_ends_when_the_call_is_cancelled(change: Call) -> None:
    retrying = Retrying(unavailable(), backoff=Backoff(first_s=20.0, max_s=20.0, choose=max))
    waiting = asyncio.ensure_future(retrying.forward(change))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (retrying.attempts, retrying.failed) == (1, [])


async def test_the_upstream_may_ask_for_a_longer_wait(change: Call) -> None:
    retrying = Retrying(unavailable(retry_info(Duration(nanos=50_000_000))))
    await retrying.forward(change)
    first, second = retrying.scripted.times
    assert second - first >= 0.05


@pytest.mark.parametrize("seconds", [30, 315_576_000_000])
async def test_a_wait_beyond_the_deadline_ends_the_call(schema: Schema, seconds: int) -> None:
    retrying = Retrying(unavailable(retry_info(Duration(seconds=seconds))))
    await retrying.fail(make_call(schema.methods[CREATE], "key", within_s=5.0))
    assert retrying.attempts == 1


WITHOUT_A_WAIT = {
    "none": [],
    "negative": [retry_info(Duration(seconds=-5))],
    "nonsense": [AnyMessage(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff")],
    "unknown": [AnyMessage(type_url="type.example/some.Unknown", value=b"\x08\x01")],
}


@pytest.mark.parametrize("name", WITHOUT_A_WAIT)
async def test_other_details_ask_for_no_wait(schema: Schema, name: str) -> None:
    retrying = Retrying(unavailable(*WITHOUT_A_WAIT[name]))
    await retrying.forward(make_call(schema.methods[CREATE], "key", within_s=5.0))
    assert retrying.attempts == 2


# The budget


async def test_retries_stop_while_an_upstream_fails(change: Call) -> None:
    failures = [unavailable() for _ in range(MAX_TOKENS)]
    retrying = Retrying(*failures)
    while retrying.attempts < MAX_TOKENS // 2:
        await retrying.fail(change)
    before = retrying.attempts
    await retrying.fail(change)
    assert retrying.attempts == before + 1


async def test_successes_fill_the_budget(change: Call) -> None:
    retrying = Retrying()
    budget = retrying.channels.retry_budgets["a"]
    while budget.allows_retry():
        budget.note_failure()
    for _ in range(11):
        await retrying.forward(change)
    retrying.scripted.failures.append(unavailable())
    assert isinstance(await retrying.forward(change), Reply)
    retrying.scripted.failures.append(unavailable())
    await retrying.fail(change)


async def test_a_reload_keeps_the_budget(change: Call) -> None:
    before = Retrying(*[unavailable() for _ in range(MAX_TOKENS)], attempts=MAX_TOKENS)
    await before.fail(change)
    after = Retrying(unavailable(), channels=before.channels)
    await after.fail(change)
    assert (before.attempts, after.attempts) == (MAX_TOKENS // 2, 1)


async def test_refusals_cost_nothing(read: Call) -> None:
    refusals: list[Any] = [UpstreamError(Code.NOT_FOUND, "no") for _ in range(MAX_TOKENS)]
    retrying = Retrying(*refusals)
    for _ in range(MAX_TOKENS):
        await retrying.fail(read)
    assert retrying.channels.retry_budgets["a"].allows_retry()


class _Renewing:
    """A credential that gives a new token, or none."""

    def __init__(self, *renewed: bool) -> None:
        self.renewed = list(renewed)

    async def renew(self, _: AccessToken, __: float) -> bool:
        return self.renewed.pop(0)

    def refuse(self) -> GatewayError:
        return RefusedCredentialsError("a", cast("Credential", self), AccessToken("t", math.inf))


@pytest.mark.parametrize(
    ("renewed", "failures", "attempts"),
    [([True], 1, [1, 2]), ([True, True], 2, [1, 2]), ([False], 1, [1])],
    ids=["renewed", "refused again", "not renewed"],
)
async def test_a_call_with_a_refused_token_is_repeated_once_with_a_new_one(
    change: Call, renewed: list[bool], failures: int, attempts: list[int]
) -> None:
    renewing = _Renewing(*renewed)
    retrying = Retrying(*(renewing.refuse() for _ in range(failures)), attempts=1)
    if failures == 1 and renewed[0]:
        await retrying.forward(change)
        assert [number for number, _ in retrying.failed] == [1]
    else:
        assert (await retrying.fail(change)).reason == "CREDENTIALS_REFUSED"
    assert retrying.scripted.attempts == attempts


async def test_a_call_without_a_token_is_not_retried_and_does_not_count_as_a_failure(change: Call) -> None:
    retrying = Retrying(*(credentials_unavailable("shared") for _ in range(9)))
    assert (await retrying.fail(change)).reason == "CREDENTIALS_UNAVAILABLE"
    assert retrying.scripted.attempts == [1]
    assert retrying.channels.retry_budgets["a"]._left == MAX_TOKENS * SUCCESSES_PER_TOKEN  # noqa: SLF001
