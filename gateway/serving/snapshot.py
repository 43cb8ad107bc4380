"""What is served at one time. A reload puts another snapshot in its place, whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.pipeline import Pipeline
    from gateway.policy import Enforcement
    from gateway.schema import Method
    from gateway.transcode import JsonWriter, Route, Router


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Routes, types and rules that belong together: made of the same descriptors and the same bundle.

    Attributes:
        methods: `/package.Service/Method` → method.
        bundle_hash: of the bundle that decides.
        enforcement: what that bundle enforces, by name.
        shadow_hash: of the bundle that is judged beside it; None without one.
        shadow_faults: why that one cannot be judged.
        openapi: the document of the routes, as JSON.
    """

    router: Router[Route]
    writer: JsonWriter
    methods: Mapping[str, Method]
    pipeline: Pipeline
    bundle_hash: str
    enforcement: Enforcement
    shadow_hash: str | None
    shadow_faults: tuple[str, ...]
    openapi: bytes


@dataclass(slots=True)
class ActiveSnapshot:
    """Holds the snapshot in force. A call takes it once, and keeps it to its end."""

    snapshot: Snapshot
