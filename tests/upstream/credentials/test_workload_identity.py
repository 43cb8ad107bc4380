"""Workload identity federation, over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.config.credentials import WorkloadIdentityCredentials
from gateway.emulator import Emulator
from gateway.emulator.token_server import EXCHANGE_PATH, TokenServer
from gateway.faults import FaultsError
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.workload_identity import TokenExchange
from tests.service_accounts import ACCOUNT


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("workload-canary\n")
    return path


def make_section(token_file: Path, **changes: Any) -> WorkloadIdentityCredentials:
    fields: dict[str, Any] = {"service_account_id": ACCOUNT, "token_file": token_file}
    return WorkloadIdentityCredentials(**fields | changes)


def make_exchange(token_file: Path, server: TokenServer) -> TokenExchange:
    url = f"http://{server.address}{EXCHANGE_PATH}"
    return TokenExchange(make_section(token_file, url=url), "credentials")


async def test_the_token_in_the_file_is_exchanged(
    emulator: Emulator, token_server: TokenServer, token_file: Path
) -> None:
    source = make_exchange(token_file, token_server)
    emulator.tokens.trust_workload("workload-canary", ACCOUNT)
    assert emulator.tokens.is_valid((await source.fetch()).value)
    assert emulator.tokens.issued == [ACCOUNT]
    token_file.write_text("another-canary")  # it was renewed: each exchange reads it again
    emulator.tokens.trust_workload("another-canary", ACCOUNT)
    assert emulator.tokens.is_valid((await source.fetch()).value)
    await source.close()


async def test_a_refusal_says_why_and_shows_no_token(token_server: TokenServer, token_file: Path) -> None:
    source = make_exchange(token_file, token_server)
    with pytest.raises(CredentialsError, match="HTTP 401: invalid_grant: the subject token") as caught:
        await source.fetch()
    assert "canary" not in str(caught.value)
    await source.close()


async def test_a_file_that_is_lost_later_is_an_error_of_the_attempt(
    token_server: TokenServer, token_file: Path
) -> None:
    source = make_exchange(token_file, token_server)
    token_file.unlink()
    with pytest.raises(CredentialsError, match=r"credentials\.token_file: cannot be read"):
        await source.fetch()
    await source.close()


def test_all_faults_of_files_are_reported(tmp_path: Path) -> None:
    section = make_section(tmp_path / "none", root_certificates=tmp_path / "none.pem")
    with pytest.raises(FaultsError) as caught:
        TokenExchange(section, "upstreams.a.credentials")
    assert [fault.key for fault in caught.value.faults] == [
        "upstreams.a.credentials.token_file",
        "upstreams.a.credentials.root_certificates",
    ]


async def test_only_the_configured_authorities_are_trusted(token_file: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    trustme.CA().cert_pem.write_to_path(str(roots))
    section = make_section(token_file, url="https://127.0.0.1:1/", root_certificates=roots)
    source = TokenExchange(section, "credentials")
    with pytest.raises(CredentialsError, match="cannot be used"):
        await source.fetch()
    await source.close()
