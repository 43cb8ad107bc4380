"""Checks each upstream by a real TLS and gRPC exchange. No credentials are sent."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from opentelemetry.sdk.resources import Resource

from gateway.cli.doctor.certificates import find_expiry
from gateway.cli.doctor.clock import find_skew, report_difference
from gateway.cli.doctor.handshake import Endpoint, HandshakeError, describe_certificate, shake_hands
from gateway.cli.doctor.proxies import uses_proxy
from gateway.cli.doctor.report import quote_peer
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from gateway.upstream import Channels

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

METHOD = "/baremetal_gateway.v1.Doctor/Check"
"""The path of a method that no upstream has. A gRPC server responds to it with an error."""

_UNREACHABLE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)
# The gRPC library makes such a status from an HTTP status, if the response is not one of a gRPC server.
_NO_GRPC = "Received http2 header with status"


async def check_upstreams(examination: Examination, report: CheckReport) -> None:
    """Check all upstreams at the same time."""
    await asyncio.gather(*(_check(name, examination, report) for name in examination.config.upstreams))


async def _check(name: str, examination: Examination, report: CheckReport) -> None:
    section = examination.config.upstreams[name]
    endpoint = Endpoint(
        name=name, section=section, step_s=examination.step_s, environment=examination.environment
    )
    certificate: Certificate | None = None
    if uses_proxy(endpoint.host, examination.environment):
        report.skip(name, "the connection uses the proxy of the environment, so only gRPC is checked")
    else:
        try:
            certificate = await shake_hands(endpoint)
        except HandshakeError as error:
            report.find(name, error.message, error.fix)
            return
    _check_expiry(name, certificate, report)
    try:
        await _call(endpoint, certificate, report)
    except FaultsError:  # the check of the configuration reports them
        report.skip(name, "its certificates have faults, so no call was made")


def _check_expiry(name: str, certificate: Certificate | None, report: CheckReport) -> None:
    reason = find_expiry(certificate) if certificate is not None else ""
    if reason:
        report.find(
            name, f"the certificate of the upstream {reason}", "renew the certificate of the upstream"
        )


async def _call(endpoint: Endpoint, certificate: Certificate | None, report: CheckReport) -> None:
    """Make a call with the channel of the gateway itself, and report how the upstream responds."""
    health, name = Health(), endpoint.name
    channels = Channels({name: endpoint.section}, health, Metrics(Resource.get_empty()))
    for condition in health.conditions:
        if condition.name == f"upstreams.{name}.tls" and condition.reason:
            report.find(f"{endpoint.key}.certificate", condition.reason, "renew the file")
    call: Any = channels[name].current.unary_unary(METHOD)
    before = time.time()
    try:
        await call(b"", timeout=endpoint.step_s)
        report.ok(name, f"{endpoint.section.address} responds{describe_certificate(certificate)}")
    except grpc.aio.AioRpcError as error:
        _report_status(endpoint, error, certificate, report)
        headers = dict([*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())])
        skew_s = find_skew(str(headers.get("date", "")), before, time.time())
        if skew_s is not None:
            report_difference(name, skew_s, report)
    finally:
        await channels.close()


def _report_status(
    endpoint: Endpoint, error: grpc.aio.AioRpcError, certificate: Certificate | None, report: CheckReport
) -> None:
    code, details = error.code(), error.details() or ""
    address = endpoint.section.address
    if details.startswith(_NO_GRPC):
        report.find(
            endpoint.name,
            f"{address} speaks HTTP/2, but is no gRPC server: {quote_peer(details)}",
            f"set {endpoint.key}.address to the gRPC port; a proxy in front of it has to pass gRPC",
        )
    elif code in _UNREACHABLE:
        report.find(
            endpoint.name,
            f"a gRPC call to {address} has failed: {code.name}: {quote_peer(details)}",
            "see the log of the upstream, or of the proxy in front of it",
        )
    else:
        report.ok(
            endpoint.name, f"{address} responds to gRPC ({code.name}){describe_certificate(certificate)}"
        )
