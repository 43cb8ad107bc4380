"""Makes snapshots: sources → schema, bundle, pipeline."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.audit.reporter import CallLog
from gateway.audit.shadow import Shadow
from gateway.bundles import LastGood, check_sums
from gateway.faults import FaultsError
from gateway.pipeline import Pipeline
from gateway.policy import Decider, describe_enforcement
from gateway.policy_tools import find_absent_caller_fields
from gateway.serving.snapshot import Snapshot
from gateway.serving.sources import (
    Sources,
    build_bundle,
    build_schema,
    compile_bundle,
    describe,
    hosts_of,
    read_sources,
)
from gateway.transcode import JsonWriter, build_router
from gateway.upstream import Forwarder
from gateway.validation import Validator

if TYPE_CHECKING:
    from gateway.audit.decision_log import DecisionLog
    from gateway.config import Config
    from gateway.limits import ConcurrencyLimit
    from gateway.policy import Bundle
    from gateway.schema import Schema
    from gateway.telemetry import Telemetry
    from gateway.upstream import Channels

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Makes snapshots of one configuration, all on the same channels and the same log."""

    config: Config
    telemetry: Telemetry
    concurrency: ConcurrencyLimit
    channels: Channels
    decision_log: DecisionLog

    def start(self) -> tuple[Sources, Snapshot, FaultsError | None]:
        """Return what to serve first, with the faults of the bundle on disk when the last good one stands in.

        Raises:
            FaultsError: nothing can be served.
        """
        try:
            sources = read_sources(self.config)
            return sources, self.build(sources), None
        except FaultsError as error:
            if self.config.policies.on_error != "last_good":
                raise
            return *self._start_with_last_good(error), error

    def _start_with_last_good(self, error: FaultsError) -> tuple[Sources, Snapshot]:
        try:
            sources = read_sources(self.config, LastGood(self.config.policies.last_good).load())
            return sources, self.build(sources)
        except FaultsError as further:
            raise FaultsError(dict.fromkeys([*error.faults, *further.faults])) from error

    def build(self, sources: Sources) -> Snapshot:
        """Make a snapshot; called again, in a thread, whenever the files have changed.

        Raises:
            FaultsError: with the faults of descriptors or bundle.
        """
        config, telemetry = self.config, self.telemetry
        schema = build_schema(config, sources.descriptor_sets)
        limit = config.limits.elements
        router, validator = build_router(schema, limit), Validator(schema, limit)
        bundle = build_bundle(config, schema, sources.bundle)
        self._warn_of_absent_fields(bundle)
        shadow, shadow_faults = self._build_shadow(sources, schema)
        forwarder = Forwarder(schema, config.services, self.channels, telemetry.tracing, telemetry.metrics)
        log = CallLog(self.decision_log, telemetry.metrics, schema.pool, hosts_of(config))
        decider = Decider(bundle)
        decider.warm_up(schema)
        pipeline = Pipeline(self.concurrency, decider, validator, log, forwarder, shadow)
        return Snapshot(
            router=router,
            writer=JsonWriter(schema.pool, prints_defaults=config.rest.print_defaults),
            methods={method.path: method for method in schema.methods.values()},
            pipeline=pipeline,
            bundle_hash=bundle.hash,
            enforcement=describe_enforcement(bundle),
            shadow_hash=shadow.bundle_hash if shadow else None,
            shadow_faults=shadow_faults,
            openapi=describe(config, schema, sources.descriptor_sets),
        )

    def _build_shadow(self, sources: Sources, schema: Schema) -> tuple[Shadow | None, tuple[str, ...]]:
        """Return what judges beside the bundle in force; its faults are told, and stop nothing."""
        if sources.shadow is None:
            return None, sources.shadow_faults
        try:
            check_sums(sources.shadow)
            bundle = compile_bundle(self.config, schema, sources.shadow)
        except FaultsError as error:
            return None, tuple(map(str, error.faults))
        self._warn_of_absent_fields(bundle)
        decider = Decider(bundle)
        decider.warm_up(schema)
        return Shadow(decider, self.telemetry.metrics), ()

    def _warn_of_absent_fields(self, bundle: Bundle) -> None:
        """Log what a bundle reads of callers and never finds: it may be meant to allow or deny by it."""
        found = find_absent_caller_fields(bundle, self.config.callers.fields)
        if found:
            faults = [str(one.fault) for one in found]
            _log.warning(
                "policies read facts about callers that the configured callers do not have",
                extra={"bundle": bundle.hash, "callers": self.config.callers.type, "faults": faults},
            )
