"""The operation that calls wait for."""

from __future__ import annotations

from gateway.errors import Code, GatewayError
from gateway.operations.waiting.topic import OperationTopic
from gateway.operations.waiting.waiter import Waiter
from tests.operations.waiting.conftest import ControlledReader, MakeGet


async def test_an_older_state_changes_nothing(reader: ControlledReader, make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    reader.number = 2
    topic.publish(await reader.poll(make_get()))
    newest, found_at = topic.state, topic.found_at
    reader.number, reader.requested_s = 1, 3.0
    topic.publish(await reader.poll(make_get()))
    assert (topic.state, topic.found_at, topic.requested_s) == (newest, found_at, 3.0)


async def test_polls_use_who_may_read_and_still_waits(make_get: MakeGet) -> None:
    topic = OperationTopic("one")
    waiters = [Waiter(make_get(token), topic) for token in ("a", "b", "c")]
    topic.waiters.update(dict.fromkeys(waiters))
    assert topic.choose_reader() is None
    waiters[1].has_read = waiters[2].has_read = True
    assert topic.choose_reader() is waiters[1]
    topic.refuse(waiters[1].credentials, GatewayError(Code.NOT_FOUND, "", "gone"))
    assert topic.choose_reader() is waiters[2]
    assert [one.is_ended for one in waiters] == [False, True, False]
