"""The section of the limits."""

from __future__ import annotations

from pydantic import Field

from gateway.config.section import Section


class Limits(Section):
    """The limits for each call, and for all calls together."""

    body_bytes: int = Field(65536, ge=1, le=64 * 1024 * 1024)
    """Largest request body, also after decompression."""
    header_bytes: int = Field(16384, ge=1024, le=1024 * 1024)
    """Largest request line, largest header, and all headers together."""
    elements: int = Field(4096, ge=1, le=1_000_000)
    """Maximum of elements in all lists, maps and field masks of one request; more is 400."""
    concurrency: int = Field(256, ge=1, le=1_000_000)
    """Maximum of concurrent calls; one more gets 429."""
    policy_text: int = Field(4096, ge=64, le=1024 * 1024)
    """Longest text that policies evaluate, in characters, where the API's constraints set no limit."""
    policy_elements: int = Field(256, ge=1, le=65536)
    """Most elements of a list or map that policies evaluate, where the API's constraints set no limit."""
    deadline_s: float = Field(30, gt=0, le=3600)
    """Longest time for a call, in seconds; a caller may request less."""
    wait_s: float = Field(300, gt=0, le=3600)
    """Longest timeout of a wait for an operation, in seconds; `deadline_s` does not apply to a wait."""
    waiters: int = Field(10_000, ge=1, le=1_000_000)
    """Maximum of calls that wait for operations; one more gets 429. They do not count as concurrent calls."""
    attempts: int = Field(4, ge=1, le=10)
    """Maximum of attempts for one call, the first included; 1 turns retries off."""
