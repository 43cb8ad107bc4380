"""All credentials of the gateway's own, which are started and stopped together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from gateway.config.credentials import (
    FileCredentials,
    MetadataCredentials,
    PassthroughCredentials,
    ServiceAccountKeyCredentials,
    StaticCredentials,
    WorkloadIdentityCredentials,
)
from gateway.faults import FaultCollector
from gateway.upstream.credentials.credential import Credential
from gateway.upstream.credentials.given_tokens import StaticToken, TokenFile
from gateway.upstream.credentials.metadata_service import MetadataService
from gateway.upstream.credentials.workload_identity import TokenExchange
from gateway.watching import FileWatch

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config
    from gateway.config.credentials import CredentialsSection
    from gateway.telemetry import Health, Metrics
    from gateway.upstream.credentials.access_token import TokenSource
    from gateway.upstream.credentials.credential import RefreshPace

SHARED = "shared"
"""The name of the credentials for all upstreams that have none of their own."""
START_S = 5.0
"""The longest time that a start waits for the first tokens, in seconds."""


class OwnCredentials:
    """The credentials of one configuration. Equal sections share one credential.

    Attributes:
        by_upstream: the credentials by the name of the upstream. An upstream that receives the credentials of
            callers is not in it.

    Raises:
        FaultsError: a file has faults.
    """

    def __init__(
        self, config: Config, health: Health, metrics: Metrics, pace: RefreshPace | None = None
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._pace = pace
        self._watches: list[FileWatch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._made: dict[CredentialsSection, Credential] = {}
        self.by_upstream: dict[str, Credential] = {}
        faults = FaultCollector()
        for upstream in sorted(set(config.services.values())):
            section = config.credentials_of(upstream)
            if isinstance(section, PassthroughCredentials):
                continue
            is_shared = section == config.credentials
            if section not in self._made:
                key = "credentials" if is_shared else f"upstreams.{upstream}.credentials"
                with faults.part():
                    name = SHARED if is_shared else upstream if upstream != SHARED else key
                    self._made[section] = self._make(name, section, key)
            if section in self._made:
                self.by_upstream[upstream] = self._made[section]
        faults.check()

    def _make(self, name: str, section: CredentialsSection, key: str) -> Credential:
        made: list[Credential] = []

        def load() -> None:
            made[0].load()

        files = _files_of(section)
        if files:  # the watch comes first, so that no change is missed
            self._watches.append(FileWatch(f"credentials.{name}.file", files, load, self._health))
        source = make_source(section, key)
        made.append(Credential(name, source, self._health, self._metrics, pace=self._pace))
        return made[0]

    async def start(self, wait_s: float = START_S) -> None:
        """Start to refresh the tokens, and wait for the first attempts, but not longer than a time.

        The start does not fail if there is no token. A condition shows the reason.
        """
        credentials = self._made.values()
        self._tasks += [asyncio.create_task(one.run()) for one in credentials]
        self._tasks += [asyncio.create_task(watch.run()) for watch in self._watches]
        first = [asyncio.create_task(one.refresh()) for one in credentials]
        self._tasks += first
        if first:
            await asyncio.wait(first, timeout=wait_s)

    async def stop(self) -> None:
        """Stop to refresh the tokens, and close all connections."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for credential in self._made.values():
            await credential.close()


def make_source(section: CredentialsSection, key: str) -> TokenSource:
    """Return the source of tokens that a section describes.

    Args:
        section: the section.
        key: the configuration key of the section.

    Raises:
        FaultsError: a file has faults.
    """
    match section:
        case StaticCredentials():
            return StaticToken(section.token)
        case FileCredentials():
            return TokenFile(section.path, f"{key}.path")
        case MetadataCredentials():
            return MetadataService(section.address)
        case WorkloadIdentityCredentials():
            return TokenExchange(section, key)
        case ServiceAccountKeyCredentials():
            from gateway.upstream.credentials.service_account_key import (  # noqa: PLC0415 - 9 MB of memory
                KeyExchange,
            )

            return KeyExchange(section, key)
        case PassthroughCredentials():
            raise ValueError("the credentials of callers have no source")
    assert_never(section)


def _files_of(section: CredentialsSection) -> tuple[Path, ...]:
    match section:
        case FileCredentials():
            return (section.path,)
        case WorkloadIdentityCredentials():
            return (section.token_file,)
        case ServiceAccountKeyCredentials():
            return (section.file,)
        case _:
            return ()
