"""The builder of snapshots. It builds a snapshot from sources."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.audit.reporter import Reporter
from gateway.audit.shadow import Shadow
from gateway.bundles import LastGood, check_sums
from gateway.config import DISCOVERY_SERVICE, WAITING_SERVICE, check_open_methods
from gateway.config.api import OPERATION_SERVICE
from gateway.discovery import DiscoveryMethods
from gateway.faults import FaultCollector, FaultsError
from gateway.limits import check_methods
from gateway.operations.waiting.methods import WaitingMethods
from gateway.pipeline import Pipeline
from gateway.policy import Decider, describe_enforcement
from gateway.policy_tools import find_absent_caller_fields, find_uncovered_methods, find_uncovered_versions
from gateway.serving.snapshot import Snapshot
from gateway.serving.sources import (
    Sources,
    build_bundle,
    build_schema,
    compile_bundle,
    describe,
    hash_descriptors,
    hosts_of,
    read_sources,
)
from gateway.transcode import JsonWriter, build_router, reply_types, request_types
from gateway.upstream import Forwarder, RetryingForwarder
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from gateway.audit.record_writer import RecordWriter
    from gateway.config import Config
    from gateway.faults import Fault
    from gateway.ledger import Ledger
    from gateway.operations.waiting.hub import WaitingHub
    from gateway.pipeline import OwnMethods
    from gateway.policy import Bundle
    from gateway.schema import Schema
    from gateway.telemetry import Telemetry
    from gateway.upstream import Channels
    from gateway.upstream.credentials import Credential

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds the snapshots of one configuration.

    All snapshots share the channels, the record writer, the ledger and the hub of waiting calls.
    """

    config: Config
    telemetry: Telemetry
    channels: Channels
    records: RecordWriter
    ledger: Ledger | None = None
    observe: Callable[[Message], None] | None = None
    hub: WaitingHub | None = None
    credentials: Mapping[str, Credential] = field(default_factory=dict)

    def start(self) -> tuple[Sources, Snapshot, tuple[Fault, ...]]:
        """Build the first snapshot. Return its sources, the snapshot, and the faults of the files on disk.

        If the files have faults, and the configuration allows it, the snapshot is built from the last good
        bundle.

        Raises:
            FaultsError: no snapshot can be built.
        """
        try:
            sources = read_sources(self.config)
            return sources, self.build(sources), ()
        except FaultsError as error:
            if self.config.policies.on_error != "last_good":
                raise
            return *self._start_with_last_good(error), tuple(error.faults)

    def _start_with_last_good(self, error: FaultsError) -> tuple[Sources, Snapshot]:
        try:
            sources = read_sources(self.config, LastGood(self.config.policies.last_good).load())
            return sources, self.build(sources)
        except FaultsError as further:
            raise FaultsError(dict.fromkeys([*error.faults, *further.faults])) from error

    def build(self, sources: Sources) -> Snapshot:
        """Build a snapshot from its sources. A reload calls this method in a separate thread.

        Raises:
            FaultsError: the descriptors or the bundle have faults.
        """
        config, telemetry = self.config, self.telemetry
        schema = build_schema(config, sources.descriptor_sets)
        check_open_methods(config.callers, schema.methods)
        limit = config.limits.elements
        router, validator = build_router(schema, limit), Validator(schema, limit)
        bundle = self._build_bundle(sources, schema)
        shadow, shadow_faults = self._build_shadow(sources, schema)
        recorded = JsonWriter(schema.pool, request_types(schema), refuses_unknown=True)
        reporter = Reporter(self.records, telemetry.metrics, recorded.to_tree, hosts_of(config), self.ledger)
        forwarder = self._make_forwarder(schema)
        decider = self._make_decider(bundle, schema)
        waiting = WaitingMethods(self.hub, schema.methods, config.limits.wait_s) if self.hub else None
        pipeline = Pipeline(
            decider,
            validator,
            reporter,
            forwarder,
            shadow,
            self.ledger,
            self.observe,
            note_reply=waiting.note_reply if waiting else None,
            own=self._find_own_methods(schema, waiting),
            uncovered=find_uncovered_methods(bundle, schema),
            get_operation=schema.methods.get(f"{OPERATION_SERVICE}/Get"),
        )
        return Snapshot(
            router=router,
            writer=JsonWriter(schema.pool, reply_types(schema), prints_defaults=config.rest.print_defaults),
            methods={method.path: method for method in schema.methods.values()},
            pipeline=pipeline,
            forwarder=forwarder,
            reporter=reporter,
            bundle_hash=bundle.hash,
            descriptors_hash=hash_descriptors(sources.descriptor_sets),
            enforcement=describe_enforcement(bundle),
            shadow_hash=shadow.bundle_hash if shadow else None,
            shadow_faults=shadow_faults,
            openapi=describe(config, schema, sources.descriptor_sets, bundle),
        )

    def _build_bundle(self, sources: Sources, schema: Schema) -> Bundle:
        """Build the bundle. Its faults are reported together with those of `limits.per_method`."""
        faults = FaultCollector()
        with faults.part():
            check_methods(self.config.limits, schema)
        with faults.part():
            bundle = build_bundle(self.config, schema, sources.bundle)
        faults.check()
        return bundle

    def keep(self, sources: Sources) -> None:
        """Save the bundle for the next start, if the configuration requires it. This method blocks.

        Raises:
            OSError: the bundle cannot be saved.
        """
        policies = self.config.policies
        if policies.on_error == "last_good":
            LastGood(policies.last_good).save(sources.bundle)

    def _make_decider(self, bundle: Bundle, schema: Schema) -> Decider:
        """Return a decider that is ready for its first call."""
        self._warn_of_absent_fields(bundle)
        self._warn_of_uncovered_versions(bundle, schema)
        decider = Decider(bundle)
        decider.warm_up(schema)
        return decider

    def _find_own_methods(self, schema: Schema, waiting: WaitingMethods | None) -> dict[str, OwnMethods]:
        """Return what serves each of the gateway's own methods, by the full name of the method."""
        services: dict[str, OwnMethods] = {DISCOVERY_SERVICE: DiscoveryMethods(self.config.endpoints)}
        if waiting is not None:
            services[WAITING_SERVICE] = waiting
        methods = schema.methods.items()
        return {name: services[one.service] for name, one in methods if one.service in services}

    def _make_forwarder(self, schema: Schema) -> RetryingForwarder:
        services, metrics = self.config.services, self.telemetry.metrics
        forwarder = Forwarder(
            schema, services, self.channels, self.telemetry.tracing, metrics, self.credentials
        )
        return RetryingForwarder(forwarder, services, self.channels, metrics, self.config.limits.attempts)

    def _build_shadow(self, sources: Sources, schema: Schema) -> tuple[Shadow | None, tuple[Fault, ...]]:
        """Return the shadow, and the faults of the shadow bundle.

        The shadow is None if no shadow bundle is configured, or if the shadow bundle has faults. These faults
        do not prevent a new snapshot.
        """
        if sources.shadow is None:
            return None, sources.shadow_faults
        try:
            check_sums(sources.shadow)
            bundle = compile_bundle(self.config, schema, sources.shadow)
        except FaultsError as error:
            return None, error.faults
        return Shadow(self._make_decider(bundle, schema), self.telemetry.metrics), ()

    def _warn_of_uncovered_versions(self, bundle: Bundle, schema: Schema) -> None:
        """Log a warning if the rules of a bundle can be evaded with another version of the API."""
        found = find_uncovered_versions(bundle, schema)
        if found:
            _log.warning(
                "rules about one version of the API leave out another one, so callers can evade them",
                extra={"bundle": bundle.hash, "faults": [str(one.fault) for one in found]},
            )

    def _warn_of_absent_fields(self, bundle: Bundle) -> None:
        """Log a warning if a bundle reads fields of `caller` that are always empty in this configuration."""
        found = find_absent_caller_fields(bundle, self.config.callers.fields)
        if found:
            faults = [str(one.fault) for one in found]
            _log.warning(
                "policies read facts about callers that the configured callers do not have",
                extra={"bundle": bundle.hash, "callers": self.config.callers.type, "faults": faults},
            )
