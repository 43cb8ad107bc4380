"""What is reported about one HTTP request."""

from __future__ import annotations

import pytest

from tests.conftest import IMAGES, Start

METHOD = "yandex.cloud.baremetal.v1alpha.ImageService/List"


async def test_a_request_is_reported_with_its_route(start: Start, logs: pytest.LogCaptureFixture) -> None:
    running = await start(is_traced=True)
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        assert response.status == 200
        trace_id = response.headers["x-server-trace-id"]
    span = running.spans()[f"GET {IMAGES}"]
    assert span.attributes is not None
    assert span.attributes["http.route"] == IMAGES
    assert span.attributes["rpc.method"] == METHOD
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == trace_id
    (line,) = [vars(one) for one in logs.records if one.message == "responded"]
    assert (line["http_method"], line["route"], line["method"], line["status"]) == (
        "GET",
        IMAGES,
        METHOD,
        200,
    )
    assert f'http_route="{IMAGES}"' in running.metrics.expose().decode()


async def test_names_of_callers_make_no_time_series(start: Start) -> None:
    running = await start(is_traced=True)
    for method, path in (("PROPFIND", IMAGES), ("GET", "/made/up")):
        async with running.client.request(method, running.url(path)) as response:
            assert response.status in {404, 405}
    assert set(running.spans()) == {"HTTP", "GET"}
    metrics = running.metrics.expose().decode()
    assert "PROPFIND" not in metrics
    assert "made/up" not in metrics
