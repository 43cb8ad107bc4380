"""All parts that serve at one time. A reload replaces them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.audit.reporter import Reporter
    from gateway.pipeline import Pipeline
    from gateway.policy import Enforcement
    from gateway.schema import Method
    from gateway.transcode import JsonWriter, Route, Router


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Routes, types and rules that belong together: built from the same descriptors and the same bundle.

    Attributes:
        router: the router of the HTTP routes.
        writer: writes messages as JSON.
        methods: `/package.Service/Method` → method.
        pipeline: takes calls through every stage.
        reporter: records calls that end before the pipeline.
        bundle_hash: the hash of the bundle that decides.
        enforcement: what that bundle enforces, by name.
        shadow_hash: the hash of the shadow bundle; None without one.
        shadow_faults: why the shadow bundle cannot be evaluated.
        openapi: the document of the routes, as JSON.
    """

    router: Router[Route]
    writer: JsonWriter
    methods: Mapping[str, Method]
    pipeline: Pipeline
    reporter: Reporter
    bundle_hash: str
    enforcement: Enforcement
    shadow_hash: str | None
    shadow_faults: tuple[str, ...]
    openapi: bytes


@dataclass(slots=True)
class ActiveSnapshot:
    """Holds the active snapshot. A call takes it once, and keeps it to its end."""

    snapshot: Snapshot
