"""The files of the API page, with the headers that protect the page."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web_request import BaseRequest

INDEX = "index.html"

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# `trusted-types 'none'` forbids every conversion of text to HTML or to code, also by mistake.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""The headers of every file. With `no-cache`, a browser asks again whether its copy is current."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes:
        etag: the entity tag, with its quotes.
    """

    content: bytes
    content_type: str
    etag: str

    def respond(self, request: BaseRequest) -> web.Response:
        """Return the response to a GET or HEAD request for the file."""
        headers = {**HEADERS, "ETag": self.etag}
        if self.etag in _read_tags(request):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(body=self.content, headers={**headers, "Content-Type": self.content_type})


def load_page_files() -> Mapping[str, PageFile]:
    """Return the files of the page by name. All files are read now, so no request names a path on disk."""
    folder = resources.files(__package__) / "files"
    return {one.name: _load(one.name, one.read_bytes()) for one in folder.iterdir() if one.is_file()}


def _load(name: str, content: bytes) -> PageFile:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return PageFile(content, _TYPES[name.rpartition(".")[2]], etag)


def _read_tags(request: BaseRequest) -> set[str]:
    given = ",".join(request.headers.getall("if-none-match", []))
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}
