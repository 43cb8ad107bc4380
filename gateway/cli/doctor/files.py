"""Checks who can read secret files and change trusted ones, and where the gateway writes its files."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.bundles import read_bundle
from gateway.cli.doctor.configuration import user_name
from gateway.cli.doctor.file_systems import find_file_system
from gateway.config.credentials import (
    FileCredentials,
    ServiceAccountKeyCredentials,
    WorkloadIdentityCredentials,
)
from gateway.config.effective import list_values
from gateway.faults import FaultsError
from gateway.sinks import SinkName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.config import Config

MIN_FREE_BYTES = 512 * 1024 * 1024
"""The smallest free space of a file system to which the gateway writes, in bytes."""

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "gpfs", "ocfs2"}
)
_VOLATILE = frozenset({"tmpfs", "ramfs"})
_GIB = 1024**3


async def check_files(examination: Examination, report: CheckReport) -> None:
    """Check the permissions of the files, and the file systems to which the gateway writes."""
    # A file system that does not respond must not stop the other checks.
    await asyncio.to_thread(_check, examination, report)


def _check(examination: Examination, report: CheckReport) -> None:
    config = examination.config
    secret = [*_secret_files(config), *_environment_keys(examination)]
    if examination.file is not None and _has_secrets(examination):
        secret.append(("the configuration file", examination.file))
    before = len(report.results)
    for key, path in secret:
        _check_secret(key, path, report)
    trusted = dict.fromkeys([*_trusted_files(examination), *secret])
    for key, path in trusted:
        _check_trusted(key, path, report)
    if len(report.results) == before:
        report.ok("permissions", f"{len(trusted)} files, of which {len(secret)} hold secrets")
    for key, folder in _written_folders(config):
        _check_space(key, folder, report)
    if config.ledger.enabled and config.ledger.url.startswith("sqlite:///"):
        _check_ledger_folder(Path(config.ledger.url.removeprefix("sqlite:///")), examination, report)


def _secret_files(config: Config) -> Iterator[tuple[str, Path]]:
    for name, listener in (("rest", config.rest), ("grpc", config.grpc), ("admin", config.admin)):
        if listener.tls is not None:
            yield f"{name}.tls.key", listener.tls.key
    for name, upstream in config.upstreams.items():
        if upstream.key is not None:
            yield f"upstreams.{name}.key", upstream.key
    if config.ledger.enabled and config.ledger.signing_key is not None:
        yield "ledger.signing_key", config.ledger.signing_key
    sections = {"credentials": config.credentials} | {
        f"upstreams.{name}.credentials": upstream.credentials
        for name, upstream in config.upstreams.items()
        if upstream.credentials is not None
    }
    for key, section in sections.items():
        match section:
            case ServiceAccountKeyCredentials():
                yield f"{key}.file", section.file
            case FileCredentials():
                yield f"{key}.path", section.path
            case WorkloadIdentityCredentials():
                yield f"{key}.token_file", section.token_file
            case _:
                pass


def _environment_keys(examination: Examination) -> Iterator[tuple[str, Path]]:
    for name, value in examination.environment.items():
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("CLIENT_KEY") and value:
            yield name, Path(value)


def _has_secrets(examination: Examination) -> bool:
    """Return whether the configuration file itself contains a secret value."""
    prefix = f"{examination.file}:"
    return any(
        one.source.startswith(prefix) and isinstance(one.value, str) and "***" in one.value
        for one in list_values(examination.config, examination.origins)
    )


def _trusted_files(examination: Examination) -> Iterator[tuple[str, Path]]:
    """Yield the files whose content the gateway trusts. Who can change them controls the gateway."""
    config = examination.config
    if examination.file is not None:
        yield "the configuration file", examination.file
    for name, listener in (("rest", config.rest), ("grpc", config.grpc), ("admin", config.admin)):
        if listener.tls is not None:
            for key in ("certificate", "client_ca", "crl"):
                yield from _optional(f"{name}.tls.{key}", getattr(listener.tls, key))
    for name, upstream in config.upstreams.items():
        for key in ("root_certificates", "certificate"):
            yield from _optional(f"upstreams.{name}.{key}", getattr(upstream, key))
    if config.callers.jwt is not None:
        yield from _optional("callers.jwt.jwks_file", config.callers.jwt.jwks_file)
        yield from _optional("callers.jwt.root_certificates", config.callers.jwt.root_certificates)
    if config.callers.tokens is not None:
        yield "callers.tokens.file", config.callers.tokens.file
    yield from _optional("policies.public_key", config.policies.public_key)
    for index, path in enumerate(config.api.descriptor_sets):
        yield f"api.descriptor_sets[{index}]", path
    yield from _files_of_bundle(config.policies.path)


def _optional(key: str, path: Path | None) -> Iterator[tuple[str, Path]]:
    if path is not None:
        yield key, path


def _files_of_bundle(path: Path) -> Iterator[tuple[str, Path]]:
    yield "policies.path", path
    if path.is_dir():
        try:
            names = list(read_bundle(path).texts)
        except FaultsError:  # the check of the configuration reports them
            return
        for name in names:
            yield "policies.path", path / name


def _check_secret(key: str, path: Path, report: CheckReport) -> None:
    mode = _mode_of(path)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        report.find(
            str(path),
            f"{key}: every user of this machine can read the secret in it (mode {stat.S_IMODE(mode):04o})",
            f"chmod o= {path}; in Kubernetes, set defaultMode: 0440 on the volume and fsGroup on the pod",
        )


def _check_trusted(key: str, path: Path, report: CheckReport) -> None:
    for one in (path, path.parent):
        mode = _mode_of(one)
        is_sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX  # others can add files, and change none
        if mode & stat.S_IWOTH and not is_sticky:
            report.find(
                str(path),
                f"{key}: every user of this machine can change it, because {one} has the mode "
                f"{stat.S_IMODE(mode):04o}",
                f"chmod o-w {one}",
            )
            return


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:  # the check of the configuration reports it
        return 0


def _written_folders(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the folders to which the gateway writes, each once."""
    paths: list[tuple[str, Path]] = []
    ledger = config.ledger
    if ledger.enabled and ledger.url.startswith("sqlite:///"):
        paths.append(("ledger.url", Path(ledger.url.removeprefix("sqlite:///"))))
    if ledger.enabled and ledger.checkpoints is not None:
        paths.append(("ledger.checkpoints", ledger.checkpoints))
    if config.sink is SinkName.FILE:
        paths.append(("decision_log.path", config.decision_log.path))
    if config.policies.on_error == "last_good":
        paths.append(("policies.last_good", config.policies.last_good))
    seen: set[Path] = set()
    for key, path in paths:
        folder = Path(os.path.realpath(path)).parent
        if folder not in seen:
            seen.add(folder)
            yield key, folder


def _check_space(key: str, folder: Path, report: CheckReport) -> None:
    if not folder.is_dir():
        report.find(
            str(folder),
            f"{key}: there is no such folder",
            f"create it, let the user {user_name()} write to it, or set {key} to another path",
        )
        return
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        report.find(
            str(folder),
            f"{key}: the user {user_name()} cannot create files in this folder",
            f"let this user write to it, mount it without `ro`, or set {key} to another path",
        )
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        report.find(
            str(folder),
            f"{key}: only {free / _GIB:.2f} GiB are free; when nothing is free, changes are refused",
            "free or add space; for the ledger, a shorter ledger.retention removes old events",
        )
    else:
        report.ok(str(folder), f"{key}: {free / _GIB:.1f} GiB are free")


def _check_ledger_folder(path: Path, examination: Examination, report: CheckReport) -> None:
    kind = find_file_system(path, examination.mounts)
    if kind in _NETWORK or kind.startswith("fuse."):
        report.find(
            str(path),
            f"the SQLite ledger is on a network file system ({kind}), where locks may not work and the file "
            "can be damaged",
            "set ledger.url to a file on a local disk, or to a PostgreSQL database",
        )
    elif kind in _VOLATILE:
        report.find(
            str(path),
            f"the SQLite ledger is in memory ({kind}): a restart of the machine or the container loses it",
            "set ledger.url to a file on a disk, or to a PostgreSQL database",
        )
    mode = _mode_of(path)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        report.find(
            str(path),
            f"every user of this machine can read the records of calls in it (mode {stat.S_IMODE(mode):04o})",
            f"chmod o= {path}",
        )
