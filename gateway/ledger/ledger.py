"""The ledger: the durable record of each call, and the intents of changes."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from gateway.call import HARMLESS_METADATA, Reply
from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry, KeyClaim, StoreError
from gateway.ledger.call_record import complete_record
from gateway.ledger.events import (
    OUTCOME,
    SETTLEMENT,
    make_event,
    make_first_event,
    now_us,
    to_call_row,
    to_update,
)
from gateway.ledger.idempotency import (
    EarlierCall,
    already_made,
    find_earlier_call,
    has_own_key,
    hash_key,
    hash_request,
    key_reused,
    still_under_way,
)
from gateway.ledger.intent import Intent, describe_operation
from gateway.ledger.observed import begin_observed, is_forwarded
from gateway.ledger.refusals import LEDGER_UNAVAILABLE, ledger_unavailable
from gateway.redaction import REDACTED, redact_text
from gateway.telemetry import to_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.ledger.batch import Store
    from gateway.ledger.call_record import CallRecord
    from gateway.ledger.leases import Leases
    from gateway.ledger.writer import LedgerWriter

_Result = TypeVar("_Result")
ReadOperation: TypeAlias = "Callable[[Call, str], Awaitable[Reply]]"
"""A function that reads an operation by its ID, with the credentials of a call."""

# What an upstream that receives the gateway's own credentials does not need from the caller.
_REPLACED_METADATA = HARMLESS_METADATA | {"authorization"}
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 0.5


@dataclass(slots=True)
class _ActiveKey:
    """A key whose call this process carries out.

    Attributes:
        call: the ID of the call to whose outcome `ended` is set.
        request: the SHA-256 of the method and the request.
        ended: the future that ends with the call.
    """

    call: str
    request: str
    ended: asyncio.Future[Reply | None]


class Ledger:
    """Records calls, and lets changes go on after their intents are committed."""

    def __init__(
        self,
        writer: LedgerWriter,
        store: Store,
        leases: Leases,
        *,
        idempotency_retention_s: float,
        own_services: frozenset[str] = frozenset(),
    ) -> None:
        """Initialize the ledger.

        Args:
            writer: the writer of entries.
            store: the database.
            leases: the leases of this replica.
            idempotency_retention_s: the time for which an idempotency key belongs to its call, in seconds.
            own_services: the full names of the services for whose calls the gateway can make further calls
                with credentials of its own. For other calls it can do so only if they had no credentials.
        """
        self._writer = writer
        self._store = store
        self._leases = leases
        self._retention_us = int(idempotency_retention_s * 1e6)
        self._own_services = own_services
        self._active: dict[str, _ActiveKey] = {}
        writer.on_refused = self._correct

    def admit_read(self) -> None:
        """Check that the record of a read can be kept, before the read is forwarded.

        Raises:
            GatewayError: UNAVAILABLE if too many records wait, and the configuration refuses the call then.
        """
        self._writer.admit()

    def record_end(
        self,
        record: CallRecord,
        request: Message | None,
        outcome: str,
        code: Code,
        *,
        is_admitted: bool = False,
    ) -> None:
        """Record a call that has ended, or that is not forwarded. This method does not wait.

        Args:
            record: the record of the call.
            request: the request; None if it was not read.
            outcome: the outcome of the call.
            code: the status code of the response.
            is_admitted: whether the call is a read for which admit_read() was called.

        Raises:
            GatewayError: UNAVAILABLE if too many records wait, and the configuration refuses the call then.
        """
        facts = complete_record(record, request, outcome, code)
        entry = Entry(event=make_first_event(facts), row=to_call_row(facts))
        if record.is_observed:
            self._writer.offer_quietly(entry)
        else:
            self._writer.offer(entry, is_admitted=is_admitted)

    async def begin(
        self,
        call: Call,
        record: CallRecord,
        request: Message,
        read_operation: ReadOperation | None = None,
    ) -> Intent | Reply | None:
        """Commit the intent of a change. The change may be forwarded when this method has returned an intent.

        If an earlier call with the same idempotency key has made the change, its reply is returned.

        In the mode `observe`, idempotency keys are left to the upstream, and the change is forwarded even if
        its intent is not committed. The result is None if the intent is lost.

        Args:
            call: the call with the request as the caller sent it.
            record: the record of the call.
            request: the request that is to be forwarded.
            read_operation: a function that is used if the reply of the earlier call was not kept.

        Raises:
            GatewayError: nothing may be forwarded: the ledger cannot be written, the key belongs to another
                request, or the earlier call with this key has not ended before the deadline.
        """
        facts = complete_record(record, request, "pending", None)
        facts["intent"] = self._describe_intent(call, record, request)
        if call.mode.is_observing:
            entry = self._to_entry(facts)
            return await begin_observed(self._writer, call, entry, is_followed=self.can_follow(call))
        if not has_own_key(call):
            await self._write(call, facts)
            return self._intent(call, facts["id"])
        key, digest = hash_key(call), hash_request(call.method.name, call.request)
        while True:
            active = self._active.get(key)
            if active is None:
                return await self._begin_with_key(call, facts, key, digest, read_operation)
            if active.request != digest:
                raise self._refuse(facts, key_reused())
            reply = await self._wait(call, facts, asyncio.shield(active.ended))
            if reply is not None:
                return self._repeat(facts, active.call, reply)

    async def _begin_with_key(
        self,
        call: Call,
        facts: dict[str, Any],
        key: str,
        digest: str,
        read_operation: ReadOperation | None,
    ) -> Intent | Reply:
        ended = asyncio.get_running_loop().create_future()
        active = self._active[key] = _ActiveKey(facts["id"], digest, ended)
        found: Intent | Reply | None = None
        try:
            claimed = await self._claim(call, facts, key, digest)
            if isinstance(claimed, Intent):
                found = claimed
            else:
                found = await self._repeat_earlier(call, facts, claimed, read_operation)
        finally:
            if not isinstance(found, Intent):
                self._release(key, active, found)
        return found

    async def _claim(self, call: Call, facts: dict[str, Any], key: str, digest: str) -> Intent | EarlierCall:
        """Acquire the key for a call. If it belongs to an earlier call, return it when it is settled."""
        active, wait_s = self._active[key], _FIRST_WAIT_S
        while True:
            time_us = now_us()
            claim = KeyClaim(key, facts["id"], digest, time_us + self._retention_us, time_us)
            if await self._write(call, facts, claim):
                return self._intent(call, facts["id"], key, active)
            earlier = await self._wait(call, facts, find_earlier_call(self._store, key))
            if earlier is None:  # the key has become free
                await self._wait(call, facts, asyncio.sleep(_FIRST_WAIT_S))
                continue
            active.call = earlier.id
            if earlier.request != digest:
                raise self._refuse(facts, key_reused())
            if earlier.is_settled:
                return earlier
            if not earlier.is_under_way:
                epoch = await self._wait(call, facts, self._leases.take_over(earlier.id))
                if epoch is not None:
                    return self._settling_intent(call, facts, (earlier, epoch), key, active)
            if asyncio.get_running_loop().time() + wait_s >= call.deadline:
                raise self._refuse(facts, still_under_way())
            await self._wait(call, facts, asyncio.sleep(wait_s))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _write(self, call: Call, facts: dict[str, Any], claim: KeyClaim | None = None) -> bool:
        is_written = await self._writer.write(self._to_entry(facts, claim), call.deadline)
        if is_written:
            call.span.add_event("intent committed")
        return is_written

    def _to_entry(self, facts: dict[str, Any], claim: KeyClaim | None = None) -> Entry:
        row = to_call_row(facts, owner=self._leases.replica, due_us=now_us())
        return Entry(event=make_first_event(facts), row=row, claim=claim)

    async def _wait(self, call: Call, facts: dict[str, Any], waiting: Awaitable[_Result]) -> _Result:
        """Wait for something other than a commit. If this fails, the call is recorded as refused."""
        try:
            async with asyncio.timeout_at(call.deadline):
                return await waiting
        except StoreError as error:
            raise self._refuse(facts, ledger_unavailable()) from error
        except TimeoutError as error:
            raise self._refuse(facts, still_under_way()) from error
        except asyncio.CancelledError:  # the caller has left
            self._add_ended(facts, "refused", Code.CANCELLED)
            raise

    def _intent(self, call: Call, call_id: str, key: str = "", active: _ActiveKey | None = None) -> Intent:
        def end(reply: Reply | None, _error: BaseException | None) -> None:
            if active is not None:
                self._release(key, active, reply)

        return Intent(
            self._writer,
            call_id,
            call.idempotency_key,
            is_followed=self.can_follow(call),
            has_own_key=active is not None,
            on_end=end,
        )

    def _settling_intent(
        self, call: Call, facts: dict[str, Any], taken: tuple[EarlierCall, int], key: str, active: _ActiveKey
    ) -> Intent:
        """Return the intent of a call that repeats an earlier call whose outcome is not known.

        Args:
            call: the call.
            facts: the record of the call.
            taken: the earlier call, and its new epoch.
            key: the key that both calls have.
            active: what other calls with this key wait for.
        """
        earlier, epoch = taken

        def end(reply: Reply | None, error: BaseException | None) -> None:
            self._release(key, active, reply)
            if reply is not None:
                self._repeat(facts, earlier.id, reply)
            elif isinstance(error, GatewayError):
                outcome = "unknown" if error.may_have_acted else "error"
                self._add_ended(facts, outcome, error.code, repeats=earlier.id)

        return Intent(
            self._writer,
            earlier.id,
            # The earlier call had another key if the gateway had no credentials of its own then.
            call.idempotency_key if REDACTED in earlier.idempotency_key else earlier.idempotency_key,
            epoch=epoch,
            kind=SETTLEMENT,
            by="repeat",
            is_followed=self.can_follow(call),
            is_same_request=earlier.forwarded == facts["request_sha256"],
            has_own_key=True,
            on_end=end,
        )

    def can_follow(self, call: Call) -> bool:
        """Return whether the gateway may call the upstream again for a call, without its caller.

        Metadata that the configuration passes on is not kept, so a call that has it is not made again.
        """
        has_own = call.method.service in self._own_services
        return (_REPLACED_METADATA if has_own else HARMLESS_METADATA).issuperset(call.metadata)

    def _describe_intent(self, call: Call, record: CallRecord, request: Message) -> dict[str, Any]:
        intent: dict[str, Any] = to_headers(call.span)
        if self.can_follow(call):
            intent["is_followed"] = True
            if record.is_plain and redact_text(call.idempotency_key) == call.idempotency_key:
                intent["request"] = b64encode(request.SerializeToString(deterministic=True)).decode()
        return intent

    async def _repeat_earlier(
        self,
        call: Call,
        facts: dict[str, Any],
        earlier: EarlierCall,
        read_operation: ReadOperation | None,
    ) -> Reply:
        """Return the reply of an earlier call. If it was not kept, its operation is read again."""
        if earlier.reply is not None:
            reply = Reply(message=call.method.reply.FromString(earlier.reply), metadata={})
        elif earlier.operation_id is not None and read_operation is not None:
            try:
                reply = await self._wait(call, facts, read_operation(call, earlier.operation_id))
            except GatewayError as error:
                raise self._refuse(facts, error) from error
        else:
            raise self._refuse(facts, already_made(earlier.resource_id))
        return self._repeat(facts, earlier.id, reply)

    def _repeat(self, facts: dict[str, Any], earlier: str, reply: Reply) -> Reply:
        """Record a call that is answered with the reply of an earlier call."""
        self._add_ended(facts, "ok", Code.OK, repeats=earlier)
        outcome = {"outcome": "ok", "code": Code.OK.name, **describe_operation(reply.message)}
        event = make_event(OUTCOME, facts["id"], outcome)
        self._writer.add(Entry(event=event, row=to_update({"id": facts["id"], **outcome})))
        return Reply(message=reply.message, metadata=reply.metadata)

    def _refuse(self, facts: dict[str, Any], error: GatewayError) -> GatewayError:
        self._add_ended(facts, "refused", error.code, reason=error.reason)
        return error

    def _add_ended(self, facts: Mapping[str, Any], outcome: str, code: Code, **further: Any) -> None:
        ended = {**facts, "outcome": outcome, "code": code.name, **further}
        ended.pop("intent", None)
        entry = Entry(event=make_first_event(ended), row=to_call_row(ended))
        if outcome == "refused":
            self._writer.offer_quietly(entry)
        else:
            self._writer.add(entry)

    def _release(self, key: str, active: _ActiveKey, reply: Reply | None) -> None:
        if self._active.get(key) is active:
            del self._active[key]
        if not active.ended.done():
            active.ended.set_result(reply)

    def _correct(self, entry: Entry, is_uncertain: bool) -> None:  # noqa: FBT001 - the writer's callback
        """Record that a call was refused, because its intent was not committed or came too late."""
        if entry.row is None:  # not about a call, such as the event of a retention
            return
        facts = json.loads(entry.event.body)
        if facts.get("mode") == "observe" and is_forwarded(entry):
            if not is_uncertain or entry.is_doubtful:  # otherwise it was committed, but late
                self._writer.put_back(entry)
            return
        facts |= {"outcome": "refused", "code": Code.UNAVAILABLE.name, "reason": LEDGER_UNAVAILABLE}
        facts.pop("intent", None)
        # If the intent was committed, another replica may have settled the call since then. In this case the
        # call has a higher epoch, and the correction is not committed.
        correction = Entry(event=make_first_event(facts), row=to_call_row(facts), frees_key=True, fence=0)
        if is_uncertain:
            self._writer.add(correction)
        else:
            self._writer.offer_quietly(correction)
