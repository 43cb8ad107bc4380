"""Observes the responses that pass through: operations, and images that are evidence for creates.

So the outcomes of callers whose credentials the gateway does not have become known too.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.ledger.batch import StoreError
from gateway.ledger.operation_facts import (
    OPERATION,
    find_operations,
    is_operation,
    read_operation,
    read_progress,
)
from gateway.operations.image_evidence import (
    describe_image,
    find_images,
    id_of,
    is_image,
    is_made_by,
    name_of,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.ledger.work import OpenCall, Work
    from gateway.ledger.writer import LedgerWriter
    from gateway.operations.following import Follower
    from gateway.operations.settlement import Settler

_log = logging.getLogger(__name__)

REFRESH_S = 2.0
"""The time between two looks for creates without a known outcome, in seconds."""
_MAX_KNOWN = 10_000
_MAX_WAITING = 1_000
_MAX_OPEN = 1_000


_State: TypeAlias = "tuple[str, bool, int, int]"


class Observer:
    """Looks at responses on the path of a call, and records what they show in the background."""

    def __init__(self, work: Work, writer: LedgerWriter, settler: Settler, follower: Follower) -> None:
        self._work = work
        self._writer = writer
        self._settler = settler
        self._follower = follower
        self._relevant: dict[Any, bool] = {}  # by the descriptor of the type
        # States of operations that were handled, with the time until which they are not looked up again. An
        # operation that is not in the ledger may appear there when the outcome of its call is committed.
        self._known: OrderedDict[_State, float] = OrderedDict()
        self._operations: dict[str, Any] = {}
        self._open: dict[tuple[str, str], list[OpenCall]] = {}
        self._evidence: dict[str, tuple[OpenCall, Any]] = {}
        self._wake = asyncio.Event()

    def observe(self, message: Message) -> None:
        """Look at a response. This method only notes what the background task records."""
        descriptor = message.DESCRIPTOR
        is_relevant = self._relevant.get(descriptor)
        if is_relevant is None:
            if len(self._relevant) > _MAX_WAITING:  # types of replaced snapshots
                self._relevant.clear()
            is_relevant = self._relevant[descriptor] = _is_relevant(message)
        if not is_relevant:
            return
        for operation in find_operations(message):
            self._note_operation(operation)
        if self._open:
            for image in find_images(message):
                self._note_image(image)

    def _note_operation(self, operation: Any) -> None:
        if len(self._operations) >= _MAX_WAITING or not (operation.done or read_progress(operation)):
            return
        known_until = self._known.get(_state_of(operation))
        if known_until is None or known_until < asyncio.get_running_loop().time():
            self._operations[operation.id] = operation
            self._wake.set()

    def _note_image(self, image: Any) -> None:
        for call in self._open.get((image.folder_id, image.name), ()):
            if is_made_by(image, call):
                self._evidence[call.id] = (call, image)
                self._wake.set()

    async def run(self) -> None:
        """Record what responses have shown. This coroutine runs until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(REFRESH_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._writer.is_failing:
                await asyncio.sleep(REFRESH_S)
                continue
            try:
                await self._record()
                await self._refresh()
            except StoreError as error:
                _log.debug("observations cannot be recorded", extra={"reason": error.reason})
            except Exception:  # noqa: BLE001 - later observations must be recorded
                _log.exception("observations are dropped")
                self._operations.clear()
                self._evidence.clear()

    async def _record(self) -> None:
        while self._operations:
            operation_id = next(iter(self._operations))
            calls = await self._work.find_running(operation_id)
            operation = self._operations.pop(operation_id)
            for call in calls:
                if operation.done:
                    self._follower.record_end(call, read_operation(operation), is_claimed=False)
                else:
                    self._follower.record_progress(call, operation)
            now_s = asyncio.get_running_loop().time()
            self._known[_state_of(operation)] = math.inf if calls else now_s + REFRESH_S
            while len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        while self._evidence:
            key, (call, image) = next(iter(self._evidence.items()))
            other = await self._work.find_other_create(call, id_of(image))
            self._evidence.pop(key, None)
            if other is None:
                self._settler.record(call, {**describe_image(image), "by": "evidence"})

    async def _refresh(self) -> None:
        """Read the creates without a known outcome again."""
        found: dict[tuple[str, str], list[OpenCall]] = {}
        for call in await self._work.list_open(_MAX_OPEN):
            place = name_of(call)
            if place is not None:
                found.setdefault(place, []).append(call)
        self._open = found


def _is_relevant(message: Message) -> bool:
    if is_operation(message) or is_image(message.DESCRIPTOR.full_name):
        return True
    inner = [field.message_type for field in message.DESCRIPTOR.fields if field.message_type is not None]
    return any(one.full_name == OPERATION or is_image(one.full_name) for one in inner)


def _state_of(operation: Any) -> _State:
    """Return what tells the states of an operation apart."""
    return operation.id, operation.done, operation.modified_at.seconds, operation.modified_at.nanos
