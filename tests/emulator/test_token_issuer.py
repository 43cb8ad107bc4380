"""The emulated IAM: which JSON Web Tokens it accepts, and which tokens are valid."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from gateway.emulator import Emulator
from gateway.emulator.status_error import StatusError
from gateway.emulator.token_issuer import AUDIENCE, TokenIssuer
from gateway.errors import Code
from tests.service_accounts import ACCOUNT, KEY_ID, private_key

NOW = 1_800_000_000.0


def make_issuer(clock: list[float]) -> TokenIssuer:
    issuer = TokenIssuer(lambda: clock[0])
    issuer.register_key(KEY_ID, ACCOUNT, private_key().public_key())
    return issuer


def sign(key: Any = None, algorithm: str = "PS256", kid: str = KEY_ID, **changes: Any) -> str:
    claims = {"iss": ACCOUNT, "aud": AUDIENCE, "iat": int(NOW), "exp": int(NOW) + 3600}
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, key or private_key(), algorithm=algorithm, headers={"kid": kid})


def test_a_signed_token_is_exchanged() -> None:
    clock = [NOW]
    issuer = make_issuer(clock)
    token, expires_at = issuer.exchange_jwt(sign())
    assert (expires_at, issuer.issued) == (NOW + 12 * 3600, [ACCOUNT])
    issuer.check_call({"authorization": f"Bearer {token}"})
    clock[0] = expires_at
    assert not issuer.is_valid(token)


REFUSED: dict[str, dict[str, Any]] = {
    "another key": {"key": private_key("second")},
    "another algorithm": {"algorithm": "RS256"},
    "an unknown key": {"kid": "other"},
    "another issuer": {"iss": "ajeother"},
    "another audience": {"aud": "https://example.org"},
    "no expiry": {"exp": None},
    "expired": {"iat": int(NOW) - 3600, "exp": int(NOW)},
    "early": {"iat": int(NOW) + 5},
    "a long life": {"exp": int(NOW) + 3601},
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_tokens_are_refused(name: str) -> None:
    with pytest.raises(StatusError) as caught:
        make_issuer([NOW]).exchange_jwt(sign(**REFUSED[name]))
    expected = Code.INVALID_ARGUMENT if name == "a long life" else Code.UNAUTHENTICATED
    assert caught.value.code is expected


def test_what_is_no_token_is_refused() -> None:
    with pytest.raises(StatusError):
        make_issuer([NOW]).exchange_jwt("garbage")


def test_a_workload_gets_tokens_of_its_own_service_account_only() -> None:
    issuer = make_issuer([NOW])
    issuer.trust_workload("w", ACCOUNT)
    assert issuer.exchange_workload("w", ACCOUNT) is not None
    assert issuer.exchange_workload("w", "ajeother") is None
    assert issuer.exchange_workload("x", "") is None


@pytest.mark.parametrize("value", [None, "t", "Basic t", "Bearer x", "bearer"])
def test_a_call_needs_a_valid_token(value: str | None) -> None:
    issuer = make_issuer([NOW])
    issuer.accept("t")
    issuer.check_call({"authorization": "Bearer t"})
    with pytest.raises(StatusError):
        issuer.check_call({} if value is None else {"authorization": value})
    issuer.revoke_all()
    with pytest.raises(StatusError):
        issuer.check_call({"authorization": "Bearer t"})


async def test_only_the_creation_of_tokens_is_emulated() -> None:
    import grpc.aio  # noqa: PLC0415 - only here

    async with Emulator() as emulator, grpc.aio.insecure_channel(emulator.address) as channel:
        revoke: Any = channel.unary_unary("/yandex.cloud.iam.v1.IamTokenService/Revoke")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await revoke(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
