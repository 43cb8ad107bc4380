"""The keys and the tokens by which callers are identified."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor.callers import check_callers
from tests.callers.making import jwks, make_key, serve_keys, to_jwk, to_jwks
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination, serve_bytes


def jwt_callers(**keys: Any) -> dict[str, Any]:
    return {
        "callers": {"type": "jwt", "jwt": {"issuer": "https://id.example", "audience": "gateway", **keys}}
    }


async def test_keys_that_are_fetched(tmp_path: Path) -> None:
    async with serve_keys() as server:
        server.body = to_jwks(to_jwk(make_key("ES256"), kid="k1"), {"kty": "oct", "k": "canary", "kid": "k2"})
        (one,) = await examine(check_callers, make_examination(tmp_path, **jwt_callers(jwks_url=server.url)))
    assert one.status == "ok"
    assert one.message.startswith(f'{server.url}: 1 keys can be used; not used: key "k2": a symmetric key')
    assert "canary" not in one.message


async def test_keys_that_are_not_there(tmp_path: Path) -> None:
    async with serve_keys() as server:
        server.status = 404
        (one,) = await find(check_callers, make_examination(tmp_path, **jwt_callers(jwks_url=server.url)))
    assert one.message == f"{server.url}: HTTP status 404; redirects are not followed; there are no keys"
    assert one.fix.startswith("correct callers.jwt.jwks_url")


async def test_no_key_can_be_used(tmp_path: Path) -> None:
    async with serve_keys() as server:
        server.body = to_jwks(to_jwk(make_key("RS1024"), kid="k1"))
        (one,) = await find(check_callers, make_examination(tmp_path, **jwt_callers(jwks_url=server.url)))
    assert "contains no key that can be used" in one.message


async def test_an_issuer_that_is_down(tmp_path: Path) -> None:
    (one,) = await find(
        check_callers, make_examination(tmp_path, **jwt_callers(jwks_url=f"http://{NOBODY}/keys"))
    )
    assert one.message.endswith("; there are no keys")


async def test_an_issuer_that_does_not_respond(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        (one,) = await find(
            check_callers,
            make_examination(tmp_path, step_s=0.3, **jwt_callers(jwks_url=f"http://{address}/keys")),
        )
    assert one.message == f"http://{address}/keys: no response within 0.3 s"


async def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(jwks())
    (one,) = await examine(check_callers, make_examination(tmp_path, **jwt_callers(jwks_file=str(path))))
    assert one.message == f"{path}: 1 keys can be used"
    path.write_text("{}")
    assert await examine(check_callers, make_examination(tmp_path, **jwt_callers(jwks_file=str(path)))) == []


@pytest.mark.parametrize("count", [0, 2])
async def test_a_file_of_tokens(tmp_path: Path, count: int) -> None:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    lines = [f"- {{name: n{index}, sha256: '{digest}'}}" for index, digest in enumerate(digests)]
    (tmp_path / "tokens.yaml").write_text("\n".join(["tokens:", *lines]) if lines else "tokens: []")
    callers = {"type": "tokens", "tokens": {"file": str(tmp_path / "tokens.yaml")}}
    (one,) = await examine(check_callers, make_examination(tmp_path, callers=callers))
    assert one.status == ("ok" if count else "finding")
    assert not any(digest in one.message for digest in digests)


async def test_anonymous_callers(tmp_path: Path) -> None:
    (one,) = await examine(check_callers, make_examination(tmp_path))
    assert one.message == "callers.type is none: callers are anonymous"
