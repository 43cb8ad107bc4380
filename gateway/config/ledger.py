"""The section of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.config.section import Section
from gateway.config.values import Duration
from gateway.faults import SecretValueError


def _check_ledger_url(text: str) -> str:
    is_file = text.startswith("sqlite:///") and text != "sqlite:///"
    if not is_file and not _is_postgres_url(text):
        raise SecretValueError(
            "must be sqlite:///FILE or postgresql://user:password@host:port/database; in a user name or a "
            "password, write special characters as %XX"
        )
    return text


def _is_postgres_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises an error if the port is not a number, as with a `/` in a password
    except ValueError:
        return False
    return parts.scheme in {"postgresql", "postgres"} and text.startswith(f"{parts.scheme}://")


LedgerUrl = Annotated[str, AfterValidator(_check_ledger_url), Field(repr=False)]


class LedgerSection(Section):
    """The durable record of calls, and of the intents of changes."""

    enabled: bool = True
    """Whether calls are recorded durably; `false` turns off all work that needs it."""
    url: LedgerUrl = "sqlite:///ledger.db"
    """`sqlite:///FILE` for one process, `postgresql://user:password@host/database` for several replicas."""
    durability: Literal["power", "process"] = "power"
    """What a committed event survives: loss of `power` (fsync for each commit), or end of the `process`."""
    when_full: Literal["drop", "refuse"] = "drop"
    """When too many records of calls that are not forwarded changes wait: `drop` and count them, or
    `refuse` the calls with 503."""
    capacity: int = Field(4096, ge=1, le=1_000_000)
    """Records that may wait to be committed."""
    retention: Duration = 400 * 86400
    """Age after which events are removed, as `400d`; `0` keeps them."""
    idempotency_retention: Duration = 86400
    """Time for which an idempotency key belongs to its first call, as `24h`."""
    resend_within: Duration = 3600
    """Age up to which a change of unknown outcome is sent again with its key, as `1h`."""
    lease_s: float = Field(15, ge=1, le=3600)
    """Seconds after which the work of a replica that has ended is taken over by another one."""
    signing_key: Path | None = None
    """PEM file (PKCS#8) of an Ed25519 private key that signs the checkpoints; unsigned when not set."""
    checkpoint_interval: Duration = 60
    """Time between two checkpoints of the ledger's Merkle tree, as `60s`; one more at a clean stop."""
    checkpoints: Path | None = None
    """File to which each checkpoint is appended; keep it, or a copy, where nobody can change both."""
    origin: str = Field("baremetal-gateway/ledger", pattern=r"[!-*,-~]{1,200}")
    """Name of the ledger in its checkpoints, and of the key that signs them."""
    prepared_statements: bool = True
    """Whether PostgreSQL keeps prepared statements; `false` behind a pooler in transaction mode."""
