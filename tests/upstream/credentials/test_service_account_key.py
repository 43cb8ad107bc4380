"""Authorized keys of service accounts, and the exchange with IAM over the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc.aio
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config.credentials import ServiceAccountKeyCredentials
from gateway.emulator import Emulator, InjectedFault
from gateway.emulator.token_issuer import CREATE_TOKEN
from gateway.errors import Code
from gateway.faults import FaultsError
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.service_account_key import AuthorizedKey, KeyExchange
from tests.service_accounts import ACCOUNT, KEY_ID, key_text, private_key, register, write_key

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.json")


def make_exchange(key_file: Path, emulator: Emulator) -> KeyExchange:
    section = ServiceAccountKeyCredentials(file=key_file, iam=emulator.address, tls=False)
    return KeyExchange(section, "credentials")


def test_the_signed_token_has_the_form_that_iam_expects(key_file: Path) -> None:
    signed = AuthorizedKey(key_file, "credentials.file").sign(AUDIENCE)
    assert jwt.get_unverified_header(signed) == {"typ": "JWT", "alg": "PS256", "kid": KEY_ID}
    claims = jwt.decode(signed, private_key().public_key(), algorithms=["PS256"], audience=AUDIENCE)
    assert set(claims) == {"iss", "aud", "iat", "exp"}
    assert (claims["iss"], claims["exp"] - claims["iat"]) == (ACCOUNT, 3600)


async def test_iam_issues_a_token(emulator: Emulator, key_file: Path) -> None:
    register(emulator)
    source = make_exchange(key_file, emulator)
    one, two = await source.fetch(), await source.fetch()
    assert one.value != two.value
    assert emulator.tokens.is_valid(one.value)
    assert emulator.tokens.issued == [ACCOUNT, ACCOUNT]
    assert 0 <= two.expires_at - one.expires_at < 60
    await source.close()


async def test_a_key_that_iam_does_not_know_is_refused(emulator: Emulator, key_file: Path) -> None:
    source = make_exchange(key_file, emulator)
    with pytest.raises(CredentialsError, match=f"{emulator.address}: UNAUTHENTICATED: the JWT"):
        await source.fetch()
    register(emulator, "second")  # another key with the same ID
    with pytest.raises(CredentialsError, match="InvalidSignatureError"):
        await source.fetch()
    await source.close()


@pytest.mark.parametrize(
    ("reply", "message"),
    [(b"\xff", "cannot be read"), (b"", "no expires_at"), (b"\x12\x02\x08\x01", "returned no token")],
    ids=["garbage", "empty", "no token"],
)
async def test_a_response_without_a_token_is_an_error(
    emulator: Emulator, key_file: Path, reply: bytes, message: str
) -> None:
    emulator.inject(InjectedFault(method=CREATE_TOKEN, reply=reply))
    source = make_exchange(key_file, emulator)
    with pytest.raises(CredentialsError, match=message):
        await source.fetch()
    await source.close()


async def test_a_text_of_iam_is_redacted(emulator: Emulator, key_file: Path) -> None:
    emulator.inject(InjectedFault(method=CREATE_TOKEN, code=Code.INTERNAL, message="jwt eyJ" + "canary" * 5))
    source = make_exchange(key_file, emulator)
    with pytest.raises(CredentialsError, match="INTERNAL: jwt eyJ…"):
        await source.fetch()
    await source.close()


async def test_a_key_is_loaded_again_and_a_bad_one_is_not_used(emulator: Emulator, key_file: Path) -> None:
    register(emulator, "second")
    source = make_exchange(key_file, emulator)
    write_key(key_file, "second")
    source.load()
    await source.fetch()
    key_file.write_text("{")
    with pytest.raises(FaultsError, match="is not JSON"):
        source.load()
    await source.fetch()
    await source.close()


def _other_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{canary", "is not JSON"),
    "a list": (["canary"], "id, service_account_id, private_key is missing"),
    "no ID": ({"service_account_id": "canary", "private_key": "canary"}, "id is missing"),
    "a number": ({"id": 7, "service_account_id": "canary", "private_key": "canary"}, "id is missing"),
    "no key": ({"id": "canary", "service_account_id": "a", "private_key": "canary"}, "no private key in PEM"),
    "no RSA": ({"id": "canary", "service_account_id": "a", "private_key": _other_key()}, "no RSA key"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_shows_nothing_of_the_file(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    path = tmp_path / "key.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(FaultsError) as caught:
        AuthorizedKey(path, "credentials.file")
    (fault,) = caught.value.faults
    assert (fault.position.file, fault.key) == (str(path), "credentials.file")
    assert message in fault.message
    assert "canary" not in f"{caught.value!r}"


def test_all_faults_of_files_are_reported(tmp_path: Path) -> None:
    section = ServiceAccountKeyCredentials(file=tmp_path / "none", root_certificates=tmp_path / "none.pem")
    with pytest.raises(FaultsError) as caught:
        KeyExchange(section, "credentials")
    assert [fault.key for fault in caught.value.faults] == [
        "credentials.file",
        "credentials.root_certificates",
    ]


def test_a_key_is_not_shown(key_file: Path) -> None:
    key = AuthorizedKey(key_file, "credentials.file")
    secret = key_text().splitlines()[5]
    assert secret not in f"{key!r}{vars(key)}"


async def test_iam_is_called_over_tls(emulator: Emulator, key_file: Path, tmp_path: Path) -> None:
    authority, roots = trustme.CA(), tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    issued = authority.issue_cert("localhost")
    register(emulator)
    server = grpc.aio.server()
    credentials = grpc.ssl_server_credentials(
        [(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())]
    )
    server.add_generic_rpc_handlers([emulator._handler("yandex.cloud.iam.v1.IamTokenService")])  # noqa: SLF001
    port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    for trusted, is_accepted in ((roots, True), (None, False)):
        section = ServiceAccountKeyCredentials(
            file=key_file, iam=f"localhost:{port}", root_certificates=trusted
        )
        source = KeyExchange(section, "credentials")
        if is_accepted:
            assert emulator.tokens.is_valid((await source.fetch()).value)
        else:
            with pytest.raises(CredentialsError, match="UNAVAILABLE"):
                await source.fetch()
        await source.close()
    await server.stop(None)
