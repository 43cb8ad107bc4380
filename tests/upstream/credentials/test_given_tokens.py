"""Tokens from the configuration and from files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.faults import FaultsError
from gateway.upstream.credentials.given_tokens import StaticToken, TokenFile


async def test_a_static_token_stays_the_same() -> None:
    source = StaticToken(SecretStr("t1.canary"))
    source.load()
    token = await source.fetch()
    assert token is await source.fetch()
    assert (token.value, token.expires_at) == ("t1.canary", math.inf)
    assert "canary" not in repr(vars(source))
    await source.close()


async def test_a_file_is_read_again_and_the_last_good_token_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    source = TokenFile(path, "credentials.path")
    assert (await source.fetch()).value == "one"
    path.write_text("two")
    assert (await source.fetch()).value == "one"
    source.load()
    assert (await source.fetch()).value == "two"
    path.write_text("")
    with pytest.raises(FaultsError, match=r"credentials\.path"):
        source.load()
    assert (await source.fetch()).value == "two"
    await source.close()


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="cannot be read"):
        TokenFile(tmp_path / "none", "credentials.path")
