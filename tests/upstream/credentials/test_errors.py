"""The errors of calls without usable credentials."""

from __future__ import annotations

import math

from gateway.errors import Code
from gateway.upstream.credentials.access_token import AccessToken
from gateway.upstream.credentials.errors import RefusedCredentialsError, credentials_unavailable
from tests.upstream.credentials.making import Tried


async def test_both_errors_are_unavailable_and_have_had_no_effect() -> None:
    token = AccessToken("canary", math.inf)
    refused = RefusedCredentialsError("baremetal", Tried().credential, token)
    absent = credentials_unavailable("shared")
    assert [(one.code, one.reason, one.may_have_acted) for one in (refused, absent)] == [
        (Code.UNAVAILABLE, "CREDENTIALS_REFUSED", False),
        (Code.UNAVAILABLE, "CREDENTIALS_UNAVAILABLE", False),
    ]
    assert "baremetal" in refused.message
    assert "shared" in absent.message
    assert "canary" not in f"{refused!r}{refused.copy()!r}{refused.details()}{vars(refused)}"
