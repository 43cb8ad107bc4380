"""The dashboards and alerts: their structure, and that the gateway emits the metrics and labels in them."""

from __future__ import annotations

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import promql_parser
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from docs.generators.dashboards import FOLDER, SCHEMA_VERSION, write_dashboard
from docs.generators.panels import DASHBOARDS as SOURCES
from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.telemetry.definition import Kind, prometheus_label
from gateway.telemetry.definitions import ALL_DEFINITIONS
from tests.conftest import ROOT, Running, start_gateway
from tests.dashboards import DASHBOARDS, queries, selectors
from tests.faults import (
    LIST,
    Tools,
    certificate_expires,
    collector_away,
    credentials_away,
    keys_away,
    list_images,
    store_away,
)
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_bundle import create, metric, write
from tests.served_ledger import options
from tests.settling import shorten_intervals
from tests.waiting import GENEROUS_S

PROMETHEUS_OWN = {"up"}
TARGET_LABELS = {"job", "instance"}
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}


def test_the_files_are_up_to_date() -> None:
    for name in SOURCES:
        assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == write_dashboard(name), (
            "run `make docs`"
        )
    assert {path.stem for path in FOLDER.glob("*")} == set(SOURCES)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_imported(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] == SCHEMA_VERSION
    assert "id" not in dashboard  # Grafana gives it
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["query"] == "prometheus"
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert [one["refId"] for one in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]
        assert all(one["legendFormat"] for one in panel["targets"])
    for key in ("id", "title"):
        found = [panel[key] for panel in dashboard["panels"]]
        assert len(set(found)) == len(found)
    assert len({one["uid"] for one in DASHBOARDS.values()}) == len(DASHBOARDS)


def known() -> dict[str, set[str]]:
    """Return the labels of each time series, keyed by its name."""
    found = {}
    for one in ALL_DEFINITIONS:
        labels = {prometheus_label(key) for key in one.keys} | TARGET_LABELS
        for suffix in SUFFIXES.get(one.kind, ("",)):
            found[one.prometheus_name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


@pytest.mark.parametrize(("place", "query"), [pytest.param(*one, id=one[0]) for one in queries()])
def test_a_query_names_what_exists(place: str, query: str) -> None:
    series = known()
    for name, labels, matchers in selectors(query):
        if name in PROMETHEUS_OWN:
            continue
        assert labels <= series[name], place
        for one in matchers:
            assert one.value or one.op is not promql_parser.MatchOp.Equal


def test_legends_name_labels_of_their_queries() -> None:
    for dashboard in DASHBOARDS.values():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                for part in target["legendFormat"].split("{{")[1:]:
                    assert part.partition("}}")[0] in target["expr"], panel["title"]


def test_no_query_names_what_does_not_exist() -> None:
    """The check itself: other names are found."""
    for query in ("sum by (nothing) (gateway_calls_active)", 'rate(gateway_waivers_total{policy="x"}[5m])'):
        ((name, labels, _),) = selectors(query)
        assert not labels <= known()[name]
    ((name, _, _),) = selectors("histogram_quantile(0.5, gateway_nothing_bucket)")
    assert name not in known()


def test_each_metric_has_a_panel() -> None:
    shown = {name for _, query in queries() for name, *_ in selectors(query)}
    for one in ALL_DEFINITIONS:
        names = {one.prometheus_name + suffix for suffix in SUFFIXES.get(one.kind, ("",))}
        assert names & shown, one.name


@pytest.fixture
async def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tools]:
    async with AsyncExitStack() as stack:
        yield Tools(stack, tmp_path, monkeypatch)


async def read(running: Running) -> dict[str, set[frozenset[str]]]:
    """Return the sets of labels of each time series that a gateway serves, keyed by its name."""
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with (
        aiohttp.ClientSession() as client,
        client.get(running.admin("/metrics"), headers=accept) as response,
    ):
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()
    found = defaultdict(set)
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            found[sample.name].add(frozenset(sample.labels))
    return found


def write_bundle(folder: Path) -> Path:
    waiver = (
        "---\napiVersion: baremetal-gateway/v1\nkind: Waiver\nmetadata: {name: w}\n"
        "spec: {binding: b, rules: [r0], owner: o, ticket: T-1, expires: 2999-01-01}\n"
    )
    mutation = (
        "---\napiVersion: baremetal-gateway/v1\nkind: Policy\nmetadata: {name: m}\n"
        f"spec: {{methods: [{CREATE}], set: [{{field: description, value: '\"d\"'}}]}}\n"
        "---\napiVersion: baremetal-gateway/v1\nkind: Binding\nmetadata: {name: m}\n"
        "spec: {policy: m, action: deny}\n"
    )
    rules = policy_text("false", "request.name != 'bad'", "request.name != 'worse'")
    return write(folder, rules, binding_text(), waiver, mutation)


async def make_calls_of_all_kinds(tools: Tools) -> Running:
    """Start a gateway, and make calls that are allowed, denied, retried, queued, settled and waited for."""
    shorten_intervals(tools.patch)
    bundle = write_bundle(tools.folder / "bundle")
    running = await start_gateway(
        tools.stack,
        is_traced=True,
        policies__path=bundle,
        policies__shadow=ROOT / "policies",
        decision_log__type="file",
        decision_log__path=tools.folder / "records.jsonl",
        limits__concurrency=1,
        limits__queue=2,
        **options(tools.folder / "calls.db"),
    )
    assert (await create(running, name="good"))[0] == 200
    assert (await create(running, name="bad"))[0] == 403
    await asyncio.gather(*(list_images(running) for _ in range(3)))
    running.emulator.inject(InjectedFault(method=LIST, code=Code.UNAVAILABLE))
    assert await list_images(running) == 200
    running.emulator.inject(InjectedFault(method=CREATE, reply=b"\xff", after_effect=True))
    assert (await create(running, name="odd"))[0] == 500
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{LIST}")
        await call(b"\x0a\x03b1g")
    rest = policy_text("false", "request.name != 'bad'")
    write(bundle, rest, binding_text())
    await running.gateway.reload()
    gc.collect()
    names = (
        "gateway_settlements_total",
        "gateway_operation_duration_seconds_count",
        "gateway_event_loop_lag_seconds_count",
    )
    async with asyncio.timeout(GENEROUS_S):
        while not all(metric(running, name) for name in names):
            await asyncio.sleep(0.05)
    return running


async def observe_a_call(tools: Tools) -> Running:
    """Start a gateway that enforces nothing, and make a call that it would deny."""
    bundle = write_bundle(tools.folder / "observed")
    running = await start_gateway(tools.stack, policies__path=bundle, mode="observe")
    assert (await create(running, name="bad"))[0] == 200
    return running


async def test_a_gateway_emits_every_metric_with_its_labels(tools: Tools) -> None:
    gateways = [await make_calls_of_all_kinds(tools)]
    for number, provoke in enumerate(
        (credentials_away, certificate_expires, keys_away, store_away, collector_away)
    ):
        folder = tools.folder / str(number)
        folder.mkdir()
        found = await provoke(Tools(tools.stack, folder, tools.patch))
        await found.drive()
        gateways.append(found.running)
    await list_images(gateways[3])  # without a credential
    async with asyncio.timeout(GENEROUS_S):
        while b"gateway_telemetry_exports" not in gateways[5].metrics.expose():
            await asyncio.sleep(0.05)
    gateways.append(await observe_a_call(tools))
    emitted = [await read(one) for one in gateways]
    for name, labels in known().items():
        found_labels = {one for each in emitted for one in each.get(name, ())}
        assert found_labels == {frozenset(labels - TARGET_LABELS)}, name
