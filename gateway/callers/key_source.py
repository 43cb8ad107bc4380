"""Where the keys of an issuer come from: a file, or a URL that is fetched at regular intervals."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from typing import TYPE_CHECKING, Never, Protocol

import aiohttp

from gateway.callers.key_set import MAX_BYTES, KeySet, parse_key_set
from gateway.faults import Fault, FaultsError, Position
from gateway.redaction import redact_text, redact_value
from gateway.telemetry import Status
from gateway.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.config import JwtCallers
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

CONDITION = "callers.jwt"
"""The name of the health condition of the keys."""

PAUSE_S = 30.0
"""The minimum time between two fetches because of unknown keys, in seconds."""

# Fetches start at a random part of `refresh_s`, so that replicas do not fetch at the same time. The rest of
# `refresh_s` is for the fetch itself.
_REFRESH = (0.75, 0.85)
_TIMEOUT = 0.1
_MAX_TIMEOUT_S = 5.0
_FIRST_RETRY_S = 1.0
_MAX_REASON = 200
_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "baremetal-gateway",
}


class KeySource(Protocol):
    """Holds the keys of an issuer, and keeps them up to date."""

    @property
    def keys(self) -> KeySet | None:
        """The last good keys; None if there were none yet."""

    async def refetch(self) -> None:
        """Get the keys again, because a token names an unknown key. The method may do nothing."""

    async def start(self) -> None:
        """Get the keys for the first time."""

    async def run(self) -> Never:
        """Keep the keys up to date until the coroutine is cancelled."""

    async def stop(self) -> None:
        """End what is active."""


class KeyFile:
    """The keys in a file. A changed file is loaded again."""

    def __init__(self, path: Path, section: JwtCallers, health: Health) -> None:
        """Load the file.

        Raises:
            FaultsError: the file cannot be read, or contains no key that can be used.
        """
        self._path = path
        self._algorithms = section.algorithms
        self._watch = FileWatch(CONDITION, [path], self._load, health)
        self._keys: KeySet | None = None
        self._load()

    @property
    def keys(self) -> KeySet | None:
        """The last good keys."""
        return self._keys

    async def refetch(self) -> None:
        """Do nothing, because the file is watched."""

    async def start(self) -> None:
        """Do nothing, because the file is loaded."""

    async def run(self) -> Never:
        """Load the file again when it has changed."""
        await self._watch.run()

    async def stop(self) -> None:
        """Do nothing, because nothing is active."""

    def look(self) -> None:
        """Load the file again if it has changed."""
        self._watch.look()

    def _load(self) -> None:
        try:
            keys = parse_key_set(self._path.read_bytes(), self._algorithms)
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise self._fault(str(error)) from error
        if not keys:
            raise self._fault("; ".join(["contains no key that can be used", *keys.ignored]))
        _report(keys, self._keys)
        self._keys = keys

    def _fault(self, message: str) -> FaultsError:
        return FaultsError([Fault(Position(str(self._path)), "callers.jwt.jwks_file", message)])


class KeyUrl:
    """The keys at a URL.

    If a fetch fails, the last good keys are used until a fetch succeeds.
    """

    def __init__(
        self,
        url: str,
        section: JwtCallers,
        health: Health,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        pause_s: float = PAUSE_S,
    ) -> None:
        """Initialize the source without keys.

        Args:
            url: the URL of the keys.
            section: the section of the configuration.
            health: the health to which the condition of the keys belongs.
            metrics: the metrics that count fetches.
            clock: a function that returns the time in seconds.
            pause_s: the minimum time between two fetches because of unknown keys, in seconds.

        Raises:
            FaultsError: the file of root certificates cannot be used.
        """
        self._url = url
        self._shown = redact_value(url)
        self._algorithms = section.algorithms
        self._roots = section.root_certificates
        self._refresh_s = section.refresh_s
        self._timeout_s = min(_MAX_TIMEOUT_S, section.refresh_s * _TIMEOUT)
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._pause_s = pause_s
        self._keys: KeySet | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._fetched_at = float("-inf")
        self._failures = 0
        self._due_at = clock()
        self.fetches = 0
        health.set(CONDITION, Status.DEGRADED, "the keys are not fetched yet")
        if self._roots is not None:
            from gateway.tls.pem_files import read_certificates  # noqa: PLC0415 - 9 MB of memory

            read_certificates(self._roots, "callers.jwt.root_certificates")

    @property
    def keys(self) -> KeySet | None:
        """The last good keys; None if no fetch has succeeded."""
        return self._keys

    async def start(self) -> None:
        """Fetch the keys for the first time. If the fetch fails, it is repeated later."""
        await self.fetch()

    async def run(self) -> Never:
        """Fetch the keys at regular intervals, and after failures with exponential backoff."""
        while True:
            wait_s = self._due_at - self._clock()
            if wait_s > 0:
                await asyncio.sleep(wait_s)  # an unknown key may have caused a fetch meanwhile
            else:
                await self.fetch()

    async def refetch(self) -> None:
        """Fetch the keys, because a token names an unknown key.

        Callers can send any number of tokens with unknown keys. So the keys are not fetched again within a
        pause. A fetch that is active is awaited.
        """
        if self._fetching is not None or self._clock() - self._fetched_at >= self._pause_s:
            await self.fetch()

    async def stop(self) -> None:
        """Cancel the active fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def fetch(self) -> None:
        """Fetch the keys. Calls at the same time share one fetch."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        self._fetched_at = self._clock()
        self.fetches += 1
        try:
            keys = parse_key_set(await self._download(), self._algorithms)
        except Exception as error:  # noqa: BLE001 - whatever it is, the keys are fetched again later
            self._fail(_describe(error))
        else:
            self._use(keys)
        finally:
            self._fetching = None

    def _use(self, keys: KeySet) -> None:
        self._metrics.record_key_fetch(is_good=True)
        self._failures = 0
        self._due_at = self._fetched_at + self._refresh_s * random.uniform(*_REFRESH)  # noqa: S311 - no secret
        _report(keys, self._keys)
        self._keys = keys
        if keys:
            self._health.set(CONDITION, Status.OK)
        else:
            reason = "; ".join([f"{self._shown}: contains no key that can be used", *keys.ignored])
            self._health.set(CONDITION, Status.DEGRADED, reason)

    def _fail(self, reason: str) -> None:
        self._metrics.record_key_fetch(is_good=False)
        delay_s = min(_FIRST_RETRY_S * 2 ** min(self._failures, 20), self._refresh_s * _REFRESH[0])
        self._due_at = self._clock() + delay_s
        text = f"{self._shown}: {reason}; " + (
            "there are no keys" if self._keys is None else "the last good keys are used"
        )
        self._health.set(CONDITION, Status.DEGRADED, text)
        if not self._failures:
            _log.warning("keys of callers not fetched", extra={"url": self._shown, "reason": reason})
        self._failures += 1

    async def _download(self) -> bytes:
        is_https = self._url.startswith("https:")
        context = await asyncio.to_thread(self._make_context) if is_https else None
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context or True, force_close=True),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.get(self._url, headers=_HEADERS, allow_redirects=False) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - OK
                raise ValueError(f"HTTP status {response.status}; redirects are not followed")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise ValueError(f"larger than {MAX_BYTES} bytes")
            return bytes(data)

    def _make_context(self) -> ssl.SSLContext:
        """Return a context for TLS. The root certificates are read each time, because they can change."""
        return ssl.create_default_context(cafile=self._roots)


def _report(keys: KeySet, before: KeySet | None) -> None:
    """Log that the keys have changed, and which keys cannot be used."""
    if before is not None and (keys.fingerprints, keys.ignored) == (before.fingerprints, before.ignored):
        return
    _log.info("keys of callers loaded", extra={"keys": len(keys), "ignored": list(keys.ignored)})


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no response in time"
    return redact_text(str(error) or type(error).__name__, _MAX_REASON)
