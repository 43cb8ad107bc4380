"""The snapshot. It contains the parts that serve calls, and a reload replaces all parts together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.audit.reporter import Reporter
    from gateway.faults import Fault
    from gateway.pipeline import Pipeline
    from gateway.policy import Enforcement
    from gateway.schema import Method
    from gateway.transcode import JsonWriter, Route, Router
    from gateway.upstream import RetryingForwarder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Snapshot:
    """The parts that serve calls. All parts are built from the same descriptors and the same bundle.

    Attributes:
        router: the router of the HTTP routes.
        writer: the JSON writer for responses.
        methods: the methods. The keys are the gRPC paths, such as `/package.Service/Method`.
        pipeline: the pipeline that processes calls.
        forwarder: the forwarder, for calls that the gateway itself makes.
        reporter: the reporter of calls that end before the pipeline receives them.
        bundle_hash: the hash of the bundle whose decisions are enforced.
        descriptors_hash: the hash of all descriptor sets.
        enforcement: the rules and bindings that the bundle enforces.
        shadow_hash: the hash of the shadow bundle; None if no shadow bundle is evaluated.
        shadow_faults: the faults that prevent the evaluation of the shadow bundle.
        openapi: the OpenAPI document of the routes, as JSON.
    """

    router: Router[Route]
    writer: JsonWriter
    methods: Mapping[str, Method]
    pipeline: Pipeline
    forwarder: RetryingForwarder
    reporter: Reporter
    bundle_hash: str
    descriptors_hash: str
    enforcement: Enforcement
    shadow_hash: str | None
    shadow_faults: tuple[Fault, ...]
    openapi: bytes


@dataclass(slots=True)
class ActiveSnapshot:
    """Holds the active snapshot. A call keeps the snapshot that was active at the start of the call."""

    snapshot: Snapshot
