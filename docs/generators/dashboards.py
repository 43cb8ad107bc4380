"""Generates the dashboards of Grafana in deploy/observability/grafana.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.generators.panels import DASHBOARDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docs.generators.panel import Panel

FOLDER = Path(__file__).parent.parent.parent / "deploy/observability/grafana"
SERIES = 'job=~"$job",instance=~"$instance"'
"""The selector of the time series that a dashboard shows."""
SCHEMA_VERSION = 39
"""The version of Grafana's JSON model, which Grafana 10.4 and later read."""

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 12, 8  # of 24 columns
_UP = "gateway_calls_active"


def write_dashboard(name: str) -> str:
    """Return the JSON text of a dashboard."""
    title, panels = DASHBOARDS[name]
    dashboard = {
        "uid": f"baremetal-gateway-{name}",
        "title": f"BareMetal gateway: {title}",
        "tags": ["baremetal-gateway"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "links": [
            {"type": "dashboards", "title": "Dashboards", "tags": ["baremetal-gateway"], "asDropdown": True}
        ],
        "templating": {"list": _variables()},
        "panels": _place(panels),
    }
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def _variables() -> list[dict[str, Any]]:
    several = {"type": "query", "datasource": _SOURCE, "multi": True, "includeAll": True, "refresh": 2}
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {"name": "job", "label": "Job", "query": f"label_values({_UP}, job)", **several},
        {
            "name": "instance",
            "label": "Instance",
            "query": f'label_values({_UP}{{job=~"$job"}}, instance)',
            **several,
        },
    ]


def _place(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    return [
        {
            "id": index + 1,
            "type": "timeseries",
            "title": panel.title,
            "description": panel.text,
            "datasource": _SOURCE,
            "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": index % 2 * _WIDTH, "y": index // 2 * _HEIGHT},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "options": {
                "tooltip": {"mode": "multi"},
                "legend": {"displayMode": "table", "calcs": ["lastNotNull", "max"]},
            },
            "targets": [
                {
                    "refId": chr(ord("A") + number),
                    "datasource": _SOURCE,
                    "expr": query.replace("SERIES", SERIES),
                    "legendFormat": legend,
                    "exemplar": panel.has_exemplars,
                }
                for number, (query, legend) in enumerate(panel.queries)
            ],
        }
        for index, panel in enumerate(panels)
    ]


if __name__ == "__main__":
    for each in DASHBOARDS:
        (FOLDER / f"{each}.json").write_text(write_dashboard(each), encoding="utf-8")
