"""Identifies the callers of requests, for both listeners."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Never

from gateway.addresses import address_key
from gateway.call import Caller
from gateway.callers.credentials import PresentedCredentials
from gateway.callers.failed_attempts import FailedAttempts
from gateway.callers.identity import CERTIFICATE, CredentialError
from gateway.callers.identity_header import IdentityHeader
from gateway.callers.proxy_addresses import AddressFinder
from gateway.callers.refusals import Refusals
from gateway.errors import GatewayError
from gateway.faults import FaultCollector
from gateway.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.call import RequestHead
    from gateway.callers.credentials import CredentialVerifier
    from gateway.callers.identity import CallerIdentity
    from gateway.callers.key_source import KeySource
    from gateway.config import CallerKind, Callers, JwtCallers, TokenCallers
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

_CACHED = 1024  # maximum number of callers that are kept because only their addresses are known

OPEN_SERVICES = frozenset(
    {
        "yandex.cloud.endpoint.ApiEndpointService",  # clients call it before they have credentials
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
)
"""The services that callers without credentials can call, if the gateway serves them."""

TOKENS_CONDITION = "callers.tokens"
"""The name of the health condition of the file of tokens."""


class CallerIdentifier:
    """Identifies the caller of each request by the head of the request.

    The kinds of credentials are tried in the configured order. The first one that is present decides: if it
    is wrong, the request is refused, and no other kind is tried.
    """

    def __init__(
        self,
        section: Callers,
        header: str | None,
        health: Health,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Initialize the identifier, and load the files that the configuration names.

        Args:
            section: the section of the configuration.
            header: the name of the header of JWTs and tokens, in lower case; None if none is used.
            health: the health to which the conditions of keys and tokens belong.
            metrics: the metrics in which refused callers are counted.
            clock: a function that returns the time in seconds.
            now: a function that returns the time in seconds since 1970.

        Raises:
            FaultsError: a file cannot be used.
        """
        self._section = section
        self._addresses = AddressFinder(section.trusted_proxies)
        self._header = IdentityHeader(header) if header is not None and section.uses_header else None
        self._attempts = FailedAttempts(section.failed_attempts, clock=clock)
        self._refusals = Refusals(section.kinds, header if section.uses_header else None, metrics, clock)
        self._open_methods = frozenset(section.open_methods)
        self._health, self._metrics, self._clock, self._now = health, metrics, clock, now
        self._sources: list[KeySource] = []
        self._watches: list[FileWatch] = []
        self._tasks: list[asyncio.Task[Never]] = []
        faults = FaultCollector()
        verifiers: list[CredentialVerifier] = []
        for kind in section.kinds:
            with faults.part():
                verifiers.append(self._make_verifier(kind))
        faults.check()
        self._verifiers = tuple(verifiers)

    async def identify(self, head: RequestHead) -> Caller:
        """Return the caller of a request.

        Raises:
            GatewayError: UNAUTHENTICATED if a credential is missing or wrong, RESOURCE_EXHAUSTED after too
                many failed attempts, INVALID_ARGUMENT if a header is malformed, UNAVAILABLE if JWTs cannot be
                verified now.
        """
        address = self._addresses.find(head.address, head.headers)
        if head.certificate_error is not None:
            raise self._refuse_certificate(head.certificate_error, address)
        if not self._verifiers:
            return _anonymous(address)
        header = self._header.read(head.headers) if self._header is not None else None
        given = PresentedCredentials(address, head.certificate, header)
        for verifier in self._verifiers:
            try:
                if verifier.is_present(given):
                    identity = verifier.recall(given)
                    if identity is None:
                        self._check_attempts(verifier.kind, address)
                        identity = await verifier.verify(given)
                    return _to_caller(identity, address)
            except CredentialError as error:
                self._check_attempts(verifier.kind, address)
                self._attempts.add(address_key(address))
                raise self._refusals.refuse(verifier.kind, address, error) from None
        if not self._is_open(head.method):
            raise self._refusals.miss()
        return _anonymous(address)

    def find_anonymous(self, head: RequestHead) -> Caller:
        """Return the caller of a request that is not identified. Only its address is known."""
        try:
            return _anonymous(self._addresses.find(head.address, head.headers))
        except GatewayError:  # a header of a proxy is malformed
            return _anonymous(head.address)

    async def start(self) -> None:
        """Get the keys of issuers, and start to watch files. If keys cannot be fetched, JWTs are refused."""
        for source in self._sources:
            await source.start()
        running = [*(source.run() for source in self._sources), *(watch.run() for watch in self._watches)]
        self._tasks = [asyncio.create_task(one) for one in running]
        for task in self._tasks:
            task.add_done_callback(_report_failure)

    async def stop(self) -> None:
        """Stop the tasks that keep keys and tokens up to date."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for source in self._sources:
            await source.stop()

    def look(self) -> None:
        """Load the files of tokens that have changed. A task does this at regular intervals."""
        for watch in self._watches:
            watch.look()

    def _is_open(self, method: str) -> bool:
        return method in self._open_methods or method.partition("/")[0] in OPEN_SERVICES

    def _refuse_certificate(self, error: GatewayError, address: str) -> GatewayError:
        """Count a certificate that has become invalid as a failed attempt, and return its error."""
        self._check_attempts(CERTIFICATE, address)
        self._attempts.add(address_key(address))
        self._refusals.report(CERTIFICATE, address, error.reason.removeprefix("CERTIFICATE_"))
        return error

    def _check_attempts(self, kind: str, address: str) -> None:
        wait_s = self._attempts.wait_s(address_key(address))
        if wait_s:
            raise self._refusals.limit(kind, wait_s)

    def _make_verifier(self, kind: CallerKind) -> CredentialVerifier:
        section = self._section
        shares_header = {"jwt", "tokens"} <= set(section.kinds)
        if kind == "tokens" and section.tokens is not None:
            return self._make_token_verifier(section.tokens, shares_header=shares_header)
        if kind == "jwt" and section.jwt is not None:
            return self._make_web_token_verifier(section.jwt, shares_header=shares_header)
        from gateway.callers.certificates import CertificateVerifier  # noqa: PLC0415 - 9 MB of memory

        return CertificateVerifier(self._now)

    def _make_token_verifier(self, section: TokenCallers, *, shares_header: bool) -> CredentialVerifier:
        from gateway.callers.token_file import TokenVerifier  # noqa: PLC0415 - only if it is used

        verifier = TokenVerifier(section.file, shares_header=shares_header)
        self._watches.append(FileWatch(TOKENS_CONDITION, [section.file], verifier.load, self._health))
        verifier.load()
        return verifier

    def _make_web_token_verifier(self, section: JwtCallers, *, shares_header: bool) -> CredentialVerifier:
        # PLC0415: the library takes 10 MB of memory.
        from gateway.callers.key_source import KeyFile, KeyUrl  # noqa: PLC0415
        from gateway.callers.web_tokens import WebTokenVerifier  # noqa: PLC0415

        source: KeySource
        if section.jwks_file is not None:
            source = KeyFile(section.jwks_file, section, self._health)
        else:
            source = KeyUrl(section.jwks_url or "", section, self._health, self._metrics, self._clock)
        self._sources.append(source)
        return WebTokenVerifier(section, source, shares_header=shares_header, now=self._now)


@lru_cache(_CACHED)
def _anonymous(address: str) -> Caller:
    """Return the caller of a call of which only the address is known."""
    return Caller(address=address)


def _to_caller(identity: CallerIdentity, address: str) -> Caller:
    return Caller(
        id=identity.id,
        kind=identity.kind,
        groups=identity.groups,
        address=address,
        claims=identity.claims,
    )


def _report_failure(task: asyncio.Task[Never]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("keys or tokens are no longer kept up to date", exc_info=error)
