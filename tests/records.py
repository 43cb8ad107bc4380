"""Records of decisions, as a gateway with one schema writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.audit.record import to_record
from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.transcode import JsonWriter

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.schema import Schema


def make_record(decision: Decision, schema: Schema, hosts: Hosts = DEFAULT_HOSTS) -> dict[str, Any]:
    """Return the record of a decision."""
    to_tree = JsonWriter(schema.pool, refuses_unknown=True).to_tree
    return to_record(decision, to_tree, hosts, call_id="call", trace_id="trace")
