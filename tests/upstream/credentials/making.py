"""Sources of tokens that tests control, and credentials that use them."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.sdk.resources import Resource

from gateway.faults import Fault, FaultsError, Position
from gateway.telemetry import Health, Metrics
from gateway.upstream.credentials import Credential
from gateway.upstream.credentials.access_token import AccessToken, CredentialsError
from gateway.upstream.credentials.credential import RefreshPace

NOW = 1_800_000_000.0


class ControlledSource:
    """Issues tokens that live for a time, unless it fails.

    Attributes:
        fetches: the number of attempts.
        error: what the next attempts raise; None if they succeed.
        life_s: the life of the tokens.
        is_held: whether attempts wait for `go`.
    """

    def __init__(self) -> None:
        self.fetches = 0
        self.error: Exception | None = None
        self.life_s = 100.0
        self.now = NOW
        self.has_fault = False
        self.is_closed = False
        self.value = ""
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(self) -> AccessToken:
        self.fetches += 1
        number = self.fetches
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return AccessToken(self.value or f"token-{number}", self.now + self.life_s)

    def load(self) -> None:
        if self.has_fault:
            raise FaultsError([Fault(Position("key.json"), "credentials.file", "is not JSON")])

    async def close(self) -> None:
        self.is_closed = True


class Tried:
    """A credential with a source and a clock that tests control."""

    def __init__(self, **pace: Any) -> None:
        self.source, self.health = ControlledSource(), Health()
        self.metrics = Metrics(Resource.create())
        chosen: dict[str, Any] = {"choose": lambda _, high: high} | pace
        self.credential = Credential(
            "one",
            self.source,
            self.health,
            self.metrics,
            clock=lambda: self.source.now,
            pace=RefreshPace(**chosen),
        )

    @property
    def condition(self) -> tuple[str, str]:
        (one,) = self.health.conditions
        assert one.name == "credentials.one"
        return one.status, one.reason

    def fail(self) -> None:
        self.source.error = CredentialsError("iam:443: UNAVAILABLE: away")

    def metric(self, start: str) -> str:
        lines = self.metrics.expose().decode().splitlines()
        return next((line.rpartition(" ")[2] for line in lines if line.startswith(start)), "")


def soon(seconds: float = 5.0) -> float:
    """Return a deadline of the event loop's clock."""
    return asyncio.get_running_loop().time() + seconds
