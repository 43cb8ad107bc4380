"""The API page as a part of the admin listener."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.listeners.http.api_page.page_files import INDEX, load_page_files
from gateway.listeners.http.api_page.try_out import TryOut
from gateway.listeners.http.responses import tree_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

    from gateway.config import Address, Config

PATH = "/docs"
_FOLDER = f"{PATH}/"
_TRY = f"{_FOLDER}try"


class ApiPage:
    """Responds to the requests for the API page."""

    def __init__(self, config: Config, find_rest: Callable[[], Address | None]) -> None:
        """Read the files of the page.

        Args:
            config: the configuration.
            find_rest: a function that returns the address of the REST listener; None before it listens.
        """
        self._files = load_page_files()
        self._try_out = TryOut(config, find_rest)

    async def respond(self, request: BaseRequest) -> web.Response | None:
        """Return the response to a request; None if the path does not belong to the page."""
        path = request.raw_path.partition("?")[0]
        if path == _TRY and request.method == "POST":
            return await self._try_out.call(request)
        file = self._files.get(path.removeprefix(_FOLDER) or INDEX) if path.startswith(_FOLDER) else None
        if path not in {PATH, _TRY} and file is None:
            return None
        if request.method not in {"GET", "HEAD"}:
            response = tree_response({"error": "pages are read with GET"}, HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = "GET, HEAD, POST" if path == _TRY else "GET, HEAD"
            return response
        if file is not None:
            return file.respond(request)
        if path == _TRY:
            return self._try_out.describe(request)
        # The links of the page are relative, so that it can be served under any path of a proxy.
        return web.Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": "docs/"})
