"""The dashboards of Grafana and the rules of Prometheus, as files, and the queries in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import yaml

from tests.conftest import ROOT
from tests.prometheus_server import RULES

DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in (ROOT / "deploy/observability/grafana").glob("*.json")
}
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]


def panel(dashboard: str, title: str) -> dict[str, Any]:
    """Return a panel of a dashboard by its title."""
    (found,) = (one for one in DASHBOARDS[dashboard]["panels"] if one["title"] == title)
    return dict(found)


def fill_in(query: str, job: str = "baremetal-gateway", instance: str = ".*") -> str:
    """Return a query of a dashboard with values for its variables, as Grafana does."""
    for name, value in (("$__rate_interval", "1m"), ("$job", job), ("$instance", instance)):
        query = query.replace(name, value)
    return query


def queries() -> Iterator[tuple[str, str]]:
    """Yield the name and the query of each target of a panel, and of each alert."""
    for name, dashboard in DASHBOARDS.items():
        for one in dashboard["panels"]:
            for target in one["targets"]:
                yield f"{name}: {one['title']} {target['refId']}", fill_in(target["expr"])
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]


def selectors(query: str) -> Iterator[tuple[str, set[str], list[Any]]]:
    """Yield each metric of a query with the labels that the query names, and its matchers.

    The labels of an aggregation belong to each metric within it.
    """
    yield from _walk(promql_parser.parse(query), set())


def _walk(node: Any, labels: set[str]) -> Iterator[tuple[str, set[str], list[Any]]]:
    match node:
        case promql_parser.VectorSelector():
            matchers = list(node.matchers.matchers)
            assert node.name is not None
            yield node.name, labels | {one.name for one in matchers}, matchers
        case promql_parser.MatrixSelector():
            yield from _walk(node.vector_selector, labels)
        case promql_parser.AggregateExpr():
            named = set(node.modifier.labels) if node.modifier else set()
            yield from _walk(node.expr, labels | named)
        case promql_parser.BinaryExpr():
            yield from _walk(node.lhs, labels)
            yield from _walk(node.rhs, labels)
        case promql_parser.Call():
            for argument in node.args:
                yield from _walk(argument, labels)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from _walk(node.expr, labels)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            raise AssertionError(f"unknown part of a query: {node!r}")
