"""The status page: HTML for a browser, otherwise JSON. The HTML has no scripts and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.listeners.http.responses import JSON, tree_response
from gateway.listeners.http.status_page.accepted import accepts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aiohttp.web_request import BaseRequest

    from gateway.listeners.http.status_page.facts import StatusFacts

_HTML = "text/html"
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;"
    "overflow-wrap:anywhere}"
    "td{font-family:ui-monospace,monospace;font-size:.9em}"
    ".ok{color:#1a7f37}.degraded{color:#9a6700}.failed{color:#cf222e}"
    "@media(prefers-color-scheme:dark){.ok{color:#3fb950}.degraded{color:#d29922}.failed{color:#f85149}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}


def show_status(request: BaseRequest, facts: StatusFacts) -> web.Response:
    """Return the response of /statusz."""
    tree = facts.to_json()
    if accepts(request, _HTML) and not accepts(request, JSON):
        response = web.Response(text=to_html(tree), content_type=_HTML)
    else:
        response = tree_response(tree)
    response.headers.update(_HEADERS)
    return response


def to_html(tree: Mapping[str, Any]) -> str:
    """Return the HTML of the facts. All texts are escaped."""
    body = "".join(_to_sections(tree))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>baremetal-gateway: {escape(tree['status'])}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _to_sections(tree: Mapping[str, Any]) -> Iterator[str]:
    kind = "ok" if tree["status"] == "ready" else "failed"
    yield f'<h1>baremetal-gateway: <span class="{kind}">{escape(tree["status"])}</span></h1>'
    about = {name: tree[name] for name in ("version", "started", "uptime_s")}
    yield _table((), [(name, _show(value)) for name, value in about.items()])
    yield "<h2>Conditions</h2>"
    yield _table(
        ("condition", "status", "since", "reason"),
        [
            (one["name"], one["status"], one["since"], one["reason"])
            for one in sorted(tree["conditions"], key=lambda one: one["status"] == "ok")
        ],
        status_column=1,
    )
    for name in ("snapshot", "ledger", "limits"):
        yield f"<h2>{name.capitalize()}</h2>"
        facts = tree[name] or {"enabled": False}
        yield _table((), [(key, _show(value)) for key, value in facts.items()])
    yield "<h2>Configuration</h2><p>Passwords and tokens are shown as ***.</p>"
    rows = [(one["key"], _show(one["value"]), one["source"] or "") for one in tree["configuration"]]
    yield _table(("key", "value", "source"), rows)


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_show(one)}" for name, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]], status_column: int | None = None) -> str:
    """Return a table. The first cell of each row is its head.

    Args:
        heads: the heads of the columns; none for a table without them.
        rows: the texts of the cells.
        status_column: the index of the column with statuses, which have colors; None if there is none.
    """
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    lines = [f"<thead><tr>{head}</tr></thead>"] if head else []
    for first, *others in rows:
        cells = [f'<th scope="row">{escape(first)}</th>']
        for index, text in enumerate(others, 1):
            kind = f' class="{escape(text)}"' if index == status_column else ""
            cells.append(f"<td{kind}>{escape(text)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"
