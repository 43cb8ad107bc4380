"""Chooses the form of a page by the header `Accept`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest


def accepts(request: BaseRequest, content_type: str) -> bool:
    """Return whether the header `Accept` names a content type, such as `text/html`.

    Ranges such as `*/*` do not name it, so clients without a preference get the default form of a page.
    """
    given = ",".join(request.headers.getall("accept", []))
    for part in given.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() == content_type:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
