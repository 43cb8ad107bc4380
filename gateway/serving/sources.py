"""The sources of a snapshot. These are the files from which the schema and the bundles are built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.bundles import (
    check_sums,
    read_bundle,
    shipped_bundle,
    stamp_bundle,
    stamp_files,
)
from gateway.expressions import InputLimits
from gateway.faults import Fault, FaultCollector, FaultsError, Position
from gateway.object_storage import Hosts
from gateway.openapi import add_policies, build_document, limit_timeout, read_comments, to_json
from gateway.policy import load_bundle
from gateway.schema import Schema, builtin_descriptors, load_schema
from gateway.transcode import build_router

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.bundles import Stamp
    from gateway.config import Config
    from gateway.policy import Bundle
    from gateway.policy.bundle_files import BundleFiles

# The estimate of the cost of an expression uses at least this size, because not all values come from bodies.
_SMALLEST_BODY = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources of a snapshot.

    Attributes:
        descriptor_sets: the contents of the descriptor set files. The keys are the paths of the files.
        bundle: the files of the bundle whose decisions are enforced.
        public_key: the content of the public key file; None if no signature is required.
        shadow: the files of the shadow bundle; None if there is no shadow bundle.
        shadow_faults: the faults of the shadow bundle if it cannot be read. These faults do not prevent a new
            snapshot.
    """

    descriptor_sets: Mapping[str, bytes]
    bundle: BundleFiles
    public_key: bytes | None = None
    shadow: BundleFiles | None = None
    shadow_faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files that a configuration names."""

    config: Config

    def read(self) -> Sources:
        """Read all files.

        Raises:
            FaultsError: a file cannot be read. The error lists every file that cannot be read.
        """
        return read_sources(self.config)

    def stamp(self) -> frozenset[Stamp]:
        """Return the stamps of all files. A stamp changes when the file is written."""
        policies = self.config.policies
        bundles = [path for path in (policies.path, policies.shadow) if path is not None]
        keys = [policies.public_key] if policies.public_key is not None else []
        return stamp_files([*self.config.api.descriptor_sets, *keys]).union(*map(stamp_bundle, bundles))


def read_sources(config: Config, bundle: BundleFiles | None = None) -> Sources:
    """Read the files that a configuration names.

    Args:
        config: the configuration that names the files.
        bundle: the files of a bundle that replaces the configured bundle; None for the configured bundle.

    Raises:
        FaultsError: a file cannot be read. The error lists every file that cannot be read.
    """
    faults = FaultCollector()
    with faults.part():
        descriptor_sets = _read_descriptor_sets(config)
    with faults.part():
        bundle = bundle or _read_served_bundle(config.policies.path)
    faults.check()
    shadow, shadow_faults = None, tuple[Fault, ...]()
    if config.policies.shadow is not None:
        try:
            shadow = read_bundle(config.policies.shadow)
        except FaultsError as error:
            shadow_faults = error.faults
    return Sources(
        descriptor_sets=descriptor_sets,
        bundle=bundle,
        public_key=_read_public_key(config),
        shadow=shadow,
        shadow_faults=shadow_faults,
    )


def _read_public_key(config: Config) -> bytes | None:
    """Return the content of the public key file, or None if no public key is configured.

    The content is part of the sources, so that a reload detects a new key. If the file cannot be read, the
    result is empty. The fault is reported later, when the key is loaded.
    """
    path = config.policies.public_key
    try:
        return None if path is None else path.read_bytes()
    except OSError:
        return b""


def _read_served_bundle(path: Path) -> BundleFiles:
    if not _is_there(path):
        raise FaultsError([Fault(Position(str(path.absolute())), "policies.path", _without_bundle(path))])
    return read_bundle(path)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the reason is reported when the bundle is read
        return True


def _without_bundle(path: Path) -> str:
    shipped = shipped_bundle()
    copy = f", copy the default one from {shipped}" if shipped else ""
    return (
        f"there is no bundle of policies here; start one with `baremetal-gateway policy init {path}`{copy}, "
        "or set policies.path (GATEWAY__POLICIES__PATH) to where yours is"
    )


def hosts_of(config: Config) -> Hosts:
    """Return the host names of Object Storage that a configuration contains."""
    return Hosts(storage=config.source.hosts, website=config.source.website_hosts)


def open_schema(config: Config) -> Schema:
    """Load the descriptors that a configuration names.

    Raises:
        FaultsError: a descriptor set cannot be read, or the descriptors cannot be served.
    """
    return build_schema(config, _read_descriptor_sets(config))


def open_bundle(
    config: Config, schema: Schema, path: Path | None = None, *, is_trusted: bool = False
) -> Bundle:
    """Load the bundle that a configuration names, or the bundle at another path.

    Args:
        config: the configuration.
        schema: the schema of the requests that the bundle decides on.
        path: the path of the bundle; None for the configured bundle.
        is_trusted: whether to check `bundle.sum` and the signature as the configuration requires. A bundle
            that is not deployed yet may have no `bundle.sum` and no signature.

    Raises:
        FaultsError: the bundle has faults. The error lists all faults.
    """
    files = read_bundle(path) if path else _read_served_bundle(config.policies.path)
    if is_trusted:
        return build_bundle(config, schema, files, str(path or config.policies.path))
    return compile_bundle(config, schema, files)


def compile_bundle(config: Config, schema: Schema, files: BundleFiles) -> Bundle:
    """Compile a bundle. The limits on policy inputs are taken from the configuration.

    Raises:
        FaultsError: the bundle has faults. The error lists all faults.
    """
    limits = InputLimits(
        text=config.limits.policy_text,
        elements=config.limits.policy_elements,
        message=max(config.limits.body_bytes, _SMALLEST_BODY),
    )
    return load_bundle(files, schema, hosts_of(config), limits)


def build_bundle(config: Config, schema: Schema, files: BundleFiles, name: str = "bundle") -> Bundle:
    """Check `bundle.sum` and the signature as the configuration requires, and compile the bundle.

    Args:
        config: the configuration, which may require a signature.
        schema: the schema of the requests that the bundle decides on.
        files: the files of the bundle.
        name: the name of the bundle. Faults show this name.

    Raises:
        FaultsError: a file differs from `bundle.sum`, the signature is invalid, or the bundle has faults.
    """
    check_sums(files)  # checked first, because an invalid signature does not show which file differs
    if config.policies.public_key is not None:
        from gateway.bundles.signature import load_public_key  # noqa: PLC0415 - see gateway/bundles

        load_public_key(config.policies.public_key).check(files, name)
    return compile_bundle(config, schema, files)


def describe_api(config: Config, *, has_policies: bool | None = None) -> bytes:
    """Return the OpenAPI document of the API that a configuration serves, as JSON.

    Args:
        config: the configuration.
        has_policies: whether the document shows the policies of the configured bundle. None means that it
            shows them if there is a bundle.

    Raises:
        FaultsError: a descriptor set cannot be read, the descriptors cannot be served, or the bundle is
            needed and has faults.
    """
    descriptor_sets = _read_descriptor_sets(config)
    schema = build_schema(config, descriptor_sets)
    build_router(schema)  # raises the faults of HTTP rules that cannot be served
    if has_policies is None:
        has_policies = _is_there(config.policies.path)
    bundle = open_bundle(config, schema, is_trusted=True) if has_policies else None
    return describe(config, schema, descriptor_sets, bundle)


def describe(
    config: Config, schema: Schema, descriptor_sets: Mapping[str, bytes], bundle: Bundle | None
) -> bytes:
    """Return the OpenAPI document of a schema, as JSON. If a bundle is given, its policies are shown."""
    comments = read_comments([builtin_descriptors(), *descriptor_sets.values()])
    scheme = "https" if config.rest.tls else "http"
    document = build_document(
        schema, comments, version=__version__, server=f"{scheme}://{config.rest.listen}"
    )
    limit_timeout(document, config.limits.wait_s)
    if bundle is not None:
        add_policies(document, bundle, schema)
    return to_json(document)


def build_schema(config: Config, descriptor_sets: Mapping[str, bytes]) -> Schema:
    """Build the schema of the configured services.

    Raises:
        FaultsError: the descriptors cannot be served.
    """
    return load_schema(config.served, descriptor_sets, config.api.excluded_methods)


def hash_descriptors(descriptor_sets: Mapping[str, bytes]) -> str:
    """Return the hash of the built-in descriptors and of descriptor sets, in their order: `sha256:…`."""
    digest = hashlib.sha256()
    for content in (builtin_descriptors(), *descriptor_sets.values()):
        digest.update(hashlib.sha256(content).digest())
    return f"sha256:{digest.hexdigest()}"


def _read_descriptor_sets(config: Config) -> dict[str, bytes]:
    sets, faults = {}, FaultCollector()
    for index, path in enumerate(config.api.descriptor_sets):
        try:
            sets[str(path)] = path.read_bytes()
        except OSError as error:
            key = f"api.descriptor_sets[{index}]"
            faults.add(Fault(Position(str(path)), key, f"cannot be read: {error.strerror}"))
    faults.check()
    return sets
