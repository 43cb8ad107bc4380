"""The page over HTTP: its paths, caching, and what it does not serve."""

from __future__ import annotations

import asyncio

import pytest

from gateway.listeners.http.api_page.page_files import HEADERS, load_page_files
from tests.conftest import Running

TRAVERSALS = [
    "/docs/../openapi.json",
    "/docs/..%2fpage.py",
    "/docs/%2e%2e/page.py",
    "/docs//index.html",
    "/docs/./index.html",
    "/docs/files/index.html",
    "/docs/index.html/",
    "/docs/..\\page.py",
    "/docs/%00index.html",
    "/docs/__init__.py",
    "/docsindex.html",
    "/Docs/",
]


async def test_the_page_and_its_files_are_served(running: Running) -> None:
    for name, file in {"": load_page_files()["index.html"], **load_page_files()}.items():
        async with running.client.get(running.admin(f"/docs/{name}")) as answer:
            assert (answer.status, await answer.read()) == (200, file.content)
            assert answer.headers["Content-Type"] == file.content_type
            assert answer.headers["Server"] == "baremetal-gateway"
            assert {key: answer.headers[key] for key in HEADERS} == HEADERS


async def test_the_path_without_a_slash_leads_to_the_page(running: Running) -> None:
    async with running.client.get(running.admin("/docs"), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "docs/")
    async with running.client.get(running.admin("/docs")) as answer:
        assert (answer.status, answer.url.path) == (200, "/docs/")


async def test_a_head_request_gets_the_headers_only(running: Running) -> None:
    async with running.client.head(running.admin("/docs/main.js")) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) == len(load_page_files()["main.js"].content)
        assert await answer.read() == b""


@pytest.mark.parametrize("form", ["{}", 'W/{}, "other"', '"other" , {}'])
async def test_a_current_copy_is_not_sent_again(running: Running, form: str) -> None:
    etag = load_page_files()["page.css"].etag
    headers = {"If-None-Match": form.format(etag)}
    async with running.client.get(running.admin("/docs/page.css"), headers=headers) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == etag
    headers = {"If-None-Match": '"other"'}
    async with running.client.get(running.admin("/docs/page.css"), headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_nothing_else_is_served(running: Running, path: str) -> None:
    address = running.addresses.admin
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), answer


@pytest.mark.parametrize(
    ("http_method", "path", "allowed"),
    [
        ("POST", "/docs", "GET, HEAD"),
        ("DELETE", "/docs/", "GET, HEAD"),
        ("OPTIONS", "/docs/main.js", "GET, HEAD"),
        ("OPTIONS", "/docs/try", "GET, HEAD, POST"),
    ],
)
async def test_other_methods_are_refused(running: Running, http_method: str, path: str, allowed: str) -> None:
    async with running.client.request(http_method, running.admin(path)) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
