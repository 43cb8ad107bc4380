"""Checks what callers are identified with: the keys of web tokens, and the file of tokens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics, Status

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.config import JwtCallers, TokenCallers

_JWKS_FIX = (
    "correct callers.jwt.jwks_url, or let the issuer serve its keys there (JSON Web Key Set, HTTP status "
    "200, no redirect); for a CA of your own, set callers.jwt.root_certificates"
)


async def check_callers(examination: Examination, report: CheckReport) -> None:
    """Load or fetch what the configured kinds of callers need."""
    section = examination.config.callers
    if not section.kinds:
        report.ok("callers", "callers.type is none: callers are anonymous")
    if section.jwt is not None and section.jwt.jwks_url is not None:
        await _check_keys(section.jwt.jwks_url, section.jwt, examination.step_s, report)
    elif section.jwt is not None and section.jwt.jwks_file is not None:
        _check_key_file(section.jwt, report)
    if section.tokens is not None:
        _check_tokens(section.tokens, report)
    if "mtls" in section.kinds:
        report.ok("callers.mtls", "see the results of `certificates` for the CAs of callers")


async def _check_keys(url: str, section: JwtCallers, timeout_s: float, report: CheckReport) -> None:
    from opentelemetry.sdk.resources import Resource

    from gateway.callers.key_source import CONDITION, KeyUrl

    health = Health()
    try:
        source = KeyUrl(url, section, health, Metrics(Resource.get_empty()))
    except FaultsError:  # the check of the configuration reports them
        return
    try:
        async with asyncio.timeout(timeout_s):
            await source.fetch()
    except TimeoutError:
        report.find("callers.jwt.jwks_url", f"{url}: no response within {timeout_s:g} s", _JWKS_FIX)
        return
    finally:
        await source.stop()
    (condition,) = [one for one in health.conditions if one.name == CONDITION]
    if condition.status is not Status.OK or source.keys is None:
        report.find("callers.jwt.jwks_url", condition.reason, _JWKS_FIX)
        return
    ignored = "".join(f"; not used: {one}" for one in source.keys.ignored)
    report.ok("callers.jwt.jwks_url", f"{url}: {len(source.keys)} keys can be used{ignored}")


def _check_key_file(section: JwtCallers, report: CheckReport) -> None:
    from gateway.callers.key_source import KeyFile

    if section.jwks_file is None:
        return
    try:
        keys = KeyFile(section.jwks_file, section, Health()).keys
    except FaultsError:  # the check of the configuration reports them
        return
    report.ok("callers.jwt.jwks_file", f"{section.jwks_file}: {len(keys or ())} keys can be used")


def _check_tokens(section: TokenCallers, report: CheckReport) -> None:
    from gateway.callers.token_file import read_identities

    try:
        count = len(read_identities(section.file))
    except FaultsError:  # the check of the configuration reports them
        return
    if count:
        report.ok("callers.tokens.file", f"{section.file}: {count} tokens")
    else:
        report.find(
            "callers.tokens.file",
            f"{section.file} contains no token, so every caller with a token is refused",
            "add the SHA-256 of a token; docs/callers.md shows how to make one",
        )
