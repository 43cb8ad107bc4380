"""One credential of the gateway's own: it keeps a valid token, and refreshes it ahead of its expiry."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Never

from gateway.telemetry import Status
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.errors import credentials_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.telemetry import Health, Metrics
    from gateway.upstream.credentials.access_token import AccessToken, TokenSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPace:
    """When tokens are fetched. All times are in seconds.

    Attributes:
        earliest: the smallest part of a token's life after which it is refreshed.
        latest: the largest part of a token's life after which it is refreshed.
        shortest_s: the shortest time between two tokens.
        first_wait_s: the maximum wait after the first failed attempt. It doubles with each further attempt.
        longest_wait_s: the maximum wait after any failed attempt.
        timeout_s: the maximum duration of one attempt.
        refused_s: the shortest time between two refreshes because an upstream does not accept the token.
        look_s: the longest sleep of the refreshing task. The clock may have been set meanwhile.
        choose: a function that returns a random number between two numbers.
    """

    earliest: float = 0.8
    latest: float = 0.9
    shortest_s: float = 1.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 15.0
    timeout_s: float = 10.0
    refused_s: float = 10.0
    look_s: float = 30.0
    choose: Callable[[float, float], float] = random.uniform


class Credential:
    """A token that is refreshed. All calls that need a new token share one attempt to get it.

    Attributes:
        name: the name in conditions, metrics and logs.
        source: where tokens come from.
        refused_by: the name of the upstream that did not accept the present token; empty if there is none.
    """

    def __init__(
        self,
        name: str,
        source: TokenSource,
        health: Health,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        pace: RefreshPace | None = None,
    ) -> None:
        """Initialize the credential without a token.

        Args:
            name: the name in conditions, metrics and logs.
            source: where tokens come from.
            health: the health of the gateway. It contains the condition `credentials.NAME`.
            metrics: the metrics that count refreshes and show the remaining life of the token.
            clock: a function that returns the seconds since 1970.
            pace: when tokens are fetched; None for the default.
        """
        self.name = name
        self.source = source
        self.refused_by = ""
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._pace = pace or RefreshPace()
        self._token: AccessToken | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._is_changed = False  # whether a token of the changed files is needed
        self._is_awaited = asyncio.Event()  # set if the refreshing task must look again
        self._due_at = 0.0
        self._failures = 0
        self._reason = ""
        self._refused_at = -math.inf
        self._show(Status.DEGRADED, "there is no token yet")
        metrics.watch_credentials(name, self._remaining_s)

    @property
    def valid(self) -> AccessToken | None:
        """The token; None if there is none, or it has expired."""
        token = self._token
        return token if token is not None and token.expires_at > self._clock() else None

    async def get(self, deadline: float) -> AccessToken:
        """Return a valid token. If there is none, wait for the attempt to get one.

        Args:
            deadline: the time of the event loop's clock until which to wait.

        Raises:
            GatewayError: UNAVAILABLE if there is no valid token.
        """
        token = self.valid
        if token is not None:
            return token
        # While attempts fail, the refreshing task decides when to try again, and calls fail at once.
        if self._fetching is not None or not self._failures or self._clock() >= self._due_at:
            await self._wait(deadline)
        token = self.valid
        if token is None:
            self._show_absence()
            raise credentials_unavailable(self.name)
        return token

    async def renew(self, refused: AccessToken, deadline: float) -> bool:
        """Return whether there is another token than one that an upstream did not accept.

        A new token is fetched at most once in `refused_s` seconds.
        """
        if self.valid is refused and self._clock() - self._refused_at >= self._pace.refused_s:
            self._refused_at = self._clock()
            self._start()
        if self._fetching is not None:
            await self._wait(deadline)
        token = self.valid
        return token is not None and token.value != refused.value

    def note_refused(self, token: AccessToken, upstream: str) -> None:
        """Note that an upstream did not accept a token."""
        if token is self._token and not self.refused_by:
            self.refused_by = upstream
            self._show_state()
            _log.warning("credentials refused", extra={"credentials": self.name, "upstream": upstream})

    def note_accepted(self, token: AccessToken, upstream: str) -> None:
        """Note that an upstream has accepted a token, after an upstream did not accept one."""
        if token is self._token and upstream == self.refused_by:
            self.refused_by = ""
            self._show_state()

    def load(self) -> None:
        """Read the files of the source again, and get a new token.

        Raises:
            FaultsError: a file has faults.
        """
        self.source.load()
        self._is_changed = True
        self._is_awaited.set()

    async def refresh(self) -> None:
        """Try to get a token. Concurrent calls share one attempt. If it fails, the present token is kept."""
        await asyncio.shield(self._start())

    async def run(self) -> Never:
        """Refresh the token ahead of its expiry. This coroutine runs until it is cancelled."""
        while True:
            self._is_awaited.clear()
            if self._is_changed and self._fetching is not None:  # that attempt uses the former files
                await asyncio.wait([self._fetching])
            if self._is_changed or self._clock() >= self._due_at:
                self._is_changed = False
                await self.refresh()
            try:
                async with asyncio.timeout(max(0.0, min(self._due_at - self._clock(), self._pace.look_s))):
                    await self._is_awaited.wait()
            except TimeoutError:
                pass
            if self.valid is None and not self._failures:
                self._due_at = 0.0  # the token has expired early, because the clock was set

    async def close(self) -> None:
        """End the attempt that is under way, and close the source."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self.source.close()

    def _start(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._end)
        return self._fetching

    def _end(self, _: asyncio.Task[None]) -> None:
        self._fetching = None
        self._is_awaited.set()

    async def _wait(self, deadline: float) -> None:
        timeout_s = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait([self._start()], timeout=timeout_s)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._pace.timeout_s):
                token = await self.source.fetch()
        except CredentialsError as error:
            self._fail(str(error))
        except TimeoutError:
            self._fail(f"no response within {self._pace.timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 - the next attempt must follow; a text could hold a secret
            self._fail(f"the attempt has failed: {type(error).__name__}")
        else:
            if token.expires_at > self._clock():
                self._accept(token)
            else:
                self._fail("a token was issued that has expired already; compare the clock of this host")

    def _accept(self, token: AccessToken) -> None:
        now, pace = self._clock(), self._pace
        if self._failures:
            _log.info("credentials refreshed", extra={"credentials": self.name})
        is_new = self._token is None or self._token.value != token.value
        self._token, self._failures, self._reason = token, 0, ""
        if is_new:
            self.refused_by = ""
        life_s = token.expires_at - now
        wait_s = max(pace.shortest_s, life_s * pace.choose(pace.earliest, pace.latest))
        self._due_at = now + wait_s
        self._metrics.record_refresh(self.name, is_good=True)
        self._show_state()

    def _fail(self, reason: str) -> None:
        pace = self._pace
        self._failures += 1
        longest_s = min(pace.longest_wait_s, pace.first_wait_s * 2 ** min(self._failures - 1, 20))
        self._due_at = self._clock() + pace.choose(longest_s / 2, longest_s)
        self._metrics.record_refresh(self.name, is_good=False)
        if reason != self._reason:
            fields = {"credentials": self.name, "reason": reason, "has_token": self.valid is not None}
            _log.warning("credentials not refreshed", extra=fields)
        self._reason = reason
        self._show_state()

    def _show_state(self) -> None:
        if self.valid is None:
            self._show_absence()
        elif self.refused_by:
            self._show(Status.DEGRADED, f"the upstream {self.refused_by} does not accept the token")
        elif self._reason:
            until = _show_time(self._token.expires_at) if self._token is not None else ""
            self._show(Status.DEGRADED, f"not refreshed: {self._reason}; the present token is valid{until}")
        else:
            self._show(Status.OK, "")

    def _show_absence(self) -> None:
        reason = self._reason or "it has expired, or is not fetched yet"
        self._show(Status.DEGRADED, f"no valid token: {reason}; calls fail with CREDENTIALS_UNAVAILABLE")

    def _show(self, status: Status, reason: str) -> None:
        self._health.set(f"credentials.{self.name}", status, reason)

    def _remaining_s(self) -> float | None:
        token = self._token
        if token is None:
            return 0.0
        return None if token.expires_at == math.inf else max(0.0, token.expires_at - self._clock())


def _show_time(expires_at: float) -> str:
    if expires_at == math.inf:
        return ""
    return f" until {datetime.fromtimestamp(expires_at, UTC).isoformat(timespec='seconds')}"
