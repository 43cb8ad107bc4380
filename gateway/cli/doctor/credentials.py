"""Checks the gateway's own credentials: a token is fetched for each of them, and not kept."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli.doctor.certificates import show_time
from gateway.cli.doctor.report import quote_peer
from gateway.config.credentials import (
    FileCredentials,
    MetadataCredentials,
    ServiceAccountKeyCredentials,
    StaticCredentials,
    WorkloadIdentityCredentials,
    is_own,
)
from gateway.faults import FaultsError
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.own_credentials import make_source

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.config.credentials import CredentialsSection

_MIN_LIFE_S = 60.0
"""The shortest remaining life of a token that is no finding, in seconds."""

_IAM_FIX = (
    "check that the key and its service account exist, that the IAM service can be reached, and "
    "that the clock of this machine is right"
)


async def check_credentials(examination: Examination, report: CheckReport) -> None:
    """Fetch a token with each section of credentials that an upstream of a service uses."""
    config = examination.config
    sections: dict[CredentialsSection, str] = {}
    for upstream in sorted(set(config.services.values())):
        section = config.credentials_of(upstream)
        if is_own(section):
            is_shared = section == config.credentials
            sections.setdefault(section, "credentials" if is_shared else f"upstreams.{upstream}.credentials")
    if not sections:
        report.skip("credentials", "upstreams receive the credentials of callers (type: passthrough)")
    await asyncio.gather(*(_fetch(key, section, examination, report) for section, key in sections.items()))


async def _fetch(
    key: str, section: CredentialsSection, examination: Examination, report: CheckReport
) -> None:
    try:
        source = make_source(section, key)
    except FaultsError:  # the check of the configuration reports them
        report.skip(key, "its files have faults, so no token was fetched")
        return
    try:
        async with asyncio.timeout(examination.step_s):
            token = await source.fetch()
    except TimeoutError:
        report.find(key, f"no token within {examination.step_s:g} s", _fix_of(section))
    except CredentialsError as error:
        report.find(key, f"no token: {quote_peer(str(error))}", _fix_of(section))
    else:
        _report_expiry(key, section, token.expires_at, report)
    finally:
        await source.close()


def _report_expiry(key: str, section: CredentialsSection, expires_at: float, report: CheckReport) -> None:
    if expires_at == math.inf:
        report.ok(key, f"type {section.type}: a token is set; when it expires is not known")
        return
    until = show_time(datetime.fromtimestamp(expires_at, UTC))
    if expires_at - time.time() < _MIN_LIFE_S:
        report.find(
            key,
            f"type {section.type}: a new token has expired already, or expires at {until}",
            "correct the clock of this machine, or of the service that issues the token",
        )
    else:
        report.ok(key, f"type {section.type}: a token was fetched; it is valid until {until}")


def _fix_of(section: CredentialsSection) -> str:
    match section:
        case ServiceAccountKeyCredentials():
            return _IAM_FIX
        case MetadataCredentials():
            return (
                "give the virtual machine a service account and access to the metadata service; outside of a "
                "virtual machine, use another type of credentials"
            )
        case WorkloadIdentityCredentials():
            return (
                "check the federation, its federated credential, the issuer and the audience of the token in "
                "token_file, and the clock of this machine"
            )
        case FileCredentials() | StaticCredentials():
            return "replace the token"
        case _:
            return "correct the section"
