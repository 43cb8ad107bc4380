"""The sections of the policy bundle, the decision log and the sources of images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from gateway.config.section import Section
from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.sinks import FileSection, SinkName


class Policies(Section):
    """The policy bundle."""

    path: Path = Path("policies")
    """Folder of the bundle, or one file."""
    reload: bool = True
    """Reload policies and descriptor sets when a file changes; after a fault the active ones stay."""
    settle_s: float = Field(2, gt=0, le=300)
    """Seconds for which files have to be unchanged before they are reloaded."""
    allow_removal: bool = True
    """Whether a reload may remove rules, bindings or denials; `false` keeps the active bundle instead."""
    on_error: Literal["refuse", "last_good"] = "refuse"
    """When the bundle is invalid at the start: `refuse` to start, or fall back to the `last_good` bundle."""
    last_good: Path = Path("last-good-bundle.json")
    """File of the last good bundle. It is written with `on_error: last_good`."""
    public_key: Path | None = None
    """PEM file of an Ed25519 public key: only bundles signed with it (`bundle.sig`) become active."""
    shadow: Path | None = None
    """A second bundle, evaluated for each call too: differences are counted and logged, not enforced."""


class DecisionLog(FileSection, Section):
    """The sink that receives a record of each decision. The base class adds the keys of the file sink."""

    type: SinkName | None = None
    """`stdout`: JSON lines on standard output; `file`: the same in a file; `none`: nowhere. When not
    set, it is `none` with the ledger and `stdout` without it."""
    when_full: Literal["refuse", "drop"] = "refuse"
    """When a record cannot be written: `refuse` the call with 503, or `drop` the record and count it."""
    capacity: int = Field(4096, ge=1, le=1_000_000)
    """Records that may wait to be written."""


class Source(Section):
    """Object Storage hosts, for the function objectStorage() of policies."""

    hosts: tuple[str, ...] = DEFAULT_HOSTS.storage
    """Hosts of the service; the name of a bucket may precede each."""
    website_hosts: tuple[str, ...] = DEFAULT_HOSTS.website
    """Hosts under which buckets are published as sites."""

    @model_validator(mode="after")
    def _check(self) -> Source:
        Hosts(storage=self.hosts, website=self.website_hosts)
        return self
