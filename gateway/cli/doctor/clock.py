"""Compares the clock of this machine with the clocks of peers.

Tokens and certificates are valid for a time. A wrong clock makes them invalid, and the errors of peers
rarely say so.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from gateway.config.credentials import ServiceAccountKeyCredentials, WorkloadIdentityCredentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

MAX_SKEW_S = 5.0
"""The maximum difference between two clocks that is no finding, in seconds."""

_FIX = (
    "synchronize the clock of this machine (`timedatectl`, chrony), or that of the peer if other peers agree "
    "with this machine"
)


async def check_clock(examination: Examination, report: CheckReport) -> None:
    """Compare the clock with the `Date` of the services that issue keys and tokens over HTTP."""
    endpoints = dict(_endpoints(examination))
    await asyncio.gather(
        *(_compare(url, roots, examination.step_s, report) for url, roots in endpoints.items())
    )
    if not report.results:
        report.skip("clock", "no service of this configuration sends its time; see `upstreams` and `ledger`")


def _endpoints(examination: Examination) -> Iterator[tuple[str, Path | None]]:
    """Yield the URLs of services, and the authorities to trust; None for the default ones."""
    config = examination.config
    if config.callers.jwt is not None and config.callers.jwt.jwks_url is not None:
        yield config.callers.jwt.jwks_url, config.callers.jwt.root_certificates
    for section in {config.credentials_of(name) for name in config.services.values()}:
        if isinstance(section, WorkloadIdentityCredentials):
            yield section.url, section.root_certificates
        if isinstance(section, ServiceAccountKeyCredentials) and section.tls:
            yield f"https://{section.iam}/", section.root_certificates


async def _compare(url: str, roots: Path | None, timeout_s: float, report: CheckReport) -> None:
    """Read the time of a service. Other checks report a service that cannot be reached."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=roots)
        before = time.time()
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.head(url, ssl=context, allow_redirects=False) as response,
        ):
            skew_s = find_skew(response.headers.get("Date", ""), before, time.time())
    except (aiohttp.ClientError, OSError, ValueError):
        return
    if skew_s is not None:
        report_difference(urlsplit(url).netloc, skew_s, report)


def find_skew(date: str, before: float, after: float) -> float | None:
    """Return by how many seconds the clock of a peer is ahead; None if the peer has sent no date.

    A date has whole seconds, and was made between the request and the response. So the result is 0 if the
    clocks may agree.

    Args:
        date: the value of the header `Date`.
        before: the time before the request, in seconds since 1970.
        after: the time after the response.
    """
    try:
        sent = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    if sent > after:
        return sent - after
    return min(sent + 1 - before, 0.0)


def report_difference(
    subject: str, skew_s: float, report: CheckReport, *, max_skew_s: float = MAX_SKEW_S
) -> None:
    """Add how far the clock of a peer is ahead."""
    if abs(skew_s) > max_skew_s:
        how = "behind" if skew_s > 0 else "ahead of"
        report.find(
            subject, f"the clock of this machine is {abs(skew_s):.0f} s {how} that of {subject}", _FIX
        )
    else:
        report.ok(subject, f"its clock agrees with that of this machine within {max_skew_s:g} s")
