"""Checks the configuration and the files that it names, with the loaders of a start."""

from __future__ import annotations

import getpass
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gateway import app
from gateway.bundles import read_bundle
from gateway.config import find_plaintext
from gateway.faults import FaultsError
from gateway.telemetry import find_variable_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.faults import Fault

_UNSIGNED = (
    "sign this version of the bundle with `baremetal-gateway policy sign`, deploy the version that was "
    "signed, or set policies.public_key to the key of its signer"
)
_READABLE = "correct the path in {key}, or let the user {user} read the file"
# The first line whose patterns match the subject and the message of a fault has its fix.
_FIXES: tuple[tuple[str, str, str], ...] = (
    ("OTEL_.*", ".*", "correct or unset this variable"),
    ("bundle|policies.*", ".*(signature|not signed)", _UNSIGNED),
    ("bundle", ".*bundle.sum", "deploy the whole bundle again, or write its list with `policy hash --write`"),
    (r"policies\.path", ".*no bundle", "set policies.path to the folder of the bundle"),
    ("bundle", ".*", "correct the bundle; `baremetal-gateway policy check` shows each line"),
    (
        r"ledger\.url|ledger\.checkpoints|decision_log\.path",
        "cannot be opened",
        "let the user {user} write to the file and its folder, or set {key} to another path",
    ),
    (".*", "cannot be read", "correct the path in {key}, or let the user {user} read the file"),
    (
        r"(rest|grpc|admin)\.tls\..*|upstreams\..*\.(key|certificate|root_certificates)",
        ".*",
        "replace the file, or set {key} to the right one; `openssl x509 -noout -text -in FILE` shows it",
    ),
    (".*", ".*", "correct {key}, or what it names; `baremetal-gateway config check` shows the line"),
)


async def check_configuration(examination: Examination, report: CheckReport) -> None:
    """Make the parts of a gateway as for a start, and add the faults that a start would have."""
    config, faults = examination.config, list(find_variable_faults(examination.environment))
    with _gathering_warnings() as warnings:
        try:
            await app.check(config)
        except FaultsError as error:
            faults += error.faults
    for fault in faults:
        report.find(fault.key or fault.position.file, str(fault), _fix_of(fault, examination))
    for warning in warnings:
        report.find("bundle", warning, "correct the rules, or the part of the configuration that they need")
    for key, address in find_plaintext(config):
        report.find(
            key,
            f"calls to {address} are sent in plaintext over a network",
            f"remove `tls: false` from {key.rpartition('.')[0]}",
        )
    if config.discovery.enabled and config.endpoints is None:
        report.find(
            "discovery.address",
            f"clients cannot use discovery, because {config.grpc.listen} is no address to connect to",
            "set discovery.address to the address of the gRPC listener for clients, or discovery.enabled to "
            "false",
        )
    if not faults:
        report.ok("configuration", f"no faults in {examination.file or 'the defaults and the environment'}")
        _show_bundles(examination, report)


def _show_bundles(examination: Examination, report: CheckReport) -> None:
    policies = examination.config.policies
    signed = "; its signature is valid" if policies.public_key is not None else ""
    report.ok("bundle", f"{policies.path}: {read_bundle(policies.path).hash}{signed}")
    if policies.shadow is not None:
        report.ok("shadow bundle", f"{policies.shadow}: {read_bundle(policies.shadow).hash}")


def _fix_of(fault: Fault, examination: Examination) -> str:
    key, place = fault.key, fault.position.file
    is_of_configuration = key.split(".")[0] in type(examination.config).model_fields
    subject = key if is_of_configuration else place if place.startswith("OTEL_") else "bundle"
    fix = next(
        fix for one, text, fix in _FIXES if re.fullmatch(one, subject) and re.match(text, fault.message)
    )
    return fix.format(key=subject, user=user_name())


def user_name() -> str:
    """Return the name of the user that runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for the user
        return "that runs the gateway"


@contextmanager
def _gathering_warnings() -> Iterator[list[str]]:
    """Return what the loaders log about the bundle as warnings."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def gather(record: logging.LogRecord) -> None:
        faults: Any = getattr(record, "faults", ())
        if faults:
            found.append("; ".join([record.getMessage(), *map(str, faults)]))

    handler.emit = gather  # type: ignore[method-assign]
    logger = logging.getLogger("gateway")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
