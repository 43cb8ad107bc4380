"""The section of the gateway's own credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import load_config
from gateway.config.credentials import (
    TYPES,
    MetadataCredentials,
    PassthroughCredentials,
    StaticCredentials,
    is_own,
    parse_credentials,
)
from gateway.faults import FaultsError

CANARY = "canary-canary"


def load(tmp_path: Path, text: str, **environment: str) -> Any:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    return load_config(file, environment)


def faults_of(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, text, **environment)
    assert CANARY not in repr(caught.value)
    assert all(CANARY not in fault.position.source for fault in caught.value.faults)
    return [
        f"{fault.position.file.rpartition('/')[2]}: {fault.key}: {fault.message}"
        for fault in caught.value.faults
    ]


def test_the_callers_credentials_are_passed_through_by_default(tmp_path: Path) -> None:
    assert load(tmp_path, "").credentials == PassthroughCredentials()
    assert not is_own(PassthroughCredentials())


GOOD = {
    "passthrough": "{}",
    "static": f"{{token: {CANARY}}}",
    "file": "{path: token}",
    "metadata": "{}",
    "service_account_key": "{file: key.json, iam: 'localhost:1', tls: false}",
    "workload_identity": "{service_account_id: aje, token_file: t, url: 'http://[::1]:1/token'}",
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("path", ["credentials", "upstreams.operation.credentials"])
def test_each_type_is_accepted_and_no_secret_is_shown(tmp_path: Path, kind: str, path: str) -> None:
    section = f"{{type: {kind}, {GOOD[kind][1:]}"
    text = f"credentials: {section}"
    if path != "credentials":
        text = f"upstreams: {{operation: {{credentials: {section}}}}}"
    config = load(tmp_path, text)
    found = config.credentials_of("operation")
    assert isinstance(found, TYPES[kind])
    assert is_own(found) is (kind != "passthrough")
    assert CANARY not in f"{config!r}{config.model_dump()}{config.model_dump_json()}"


def test_a_token_comes_from_the_environment(tmp_path: Path) -> None:
    config = load(tmp_path, "credentials: {type: static}", GATEWAY__CREDENTIALS__TOKEN=CANARY)
    assert isinstance(config.credentials, StaticCredentials)
    assert config.credentials.token.get_secret_value() == CANARY


_USE = f"use one of {', '.join(TYPES)}"
_TOKEN = (
    "must be a text of visible ASCII characters without spaces, at most 6144 of them; leave out the word "
    "Bearer, and put a token that YAML reads as a number in quotes"
)
_OTHER = "type passthrough; it is a key of type static"
_BOTH = "type service_account_key and workload_identity"
_ACCEPTED = "accepted with type metadata"
_URL = "must be https://host/path, without user and password; http:// is accepted only on loopback"
_WORKLOAD = "type: workload_identity, service_account_id: a, token_file: t"
_PASS = "{credentials: {type: passthrough}}"
_ADDRESS = "the address of the metadata service is a host, or host:port"
BAD: dict[str, tuple[str, list[str]]] = {
    "a text": (
        f"credentials: {CANARY}",
        ["credentials: must be a mapping with the key type, as {type: passthrough}"],
    ),
    "no known type": (
        "credentials: {type: stat}",
        [f"credentials.type: is not accepted; {_USE}; did you mean static?"],
    ),
    "a type that is no text": ("credentials: {type: [a]}", [f"credentials.type: is not accepted; {_USE}"]),
    "a key without its type": (
        f"credentials: {{token: {CANARY}}}",
        ["credentials.token: has no effect with type passthrough; it is a key of type static"],
    ),
    "keys of another type": (
        f"credentials: {{type: metadata, token: {CANARY}, root_certificates: a}}",
        [
            "credentials.token: has no effect with type metadata; it is a key of type static",
            f"credentials.root_certificates: has no effect with type metadata; it is a key of {_BOTH}",
        ],
    ),
    "an unknown key": (
        "credentials: {type: metadata, adress: a}",
        [f"credentials.adress: unknown key; did you mean address?; {_ACCEPTED}: address, type"],
    ),
    "a missing key": ("credentials: {type: static}", ["credentials.token: is required"]),
    "a number": ("credentials: {type: static, token: 123456789}", [f"credentials.token: {_TOKEN}"]),
    "a scheme": (f"credentials: {{type: static, token: Bearer {CANARY}}}", [f"credentials.token: {_TOKEN}"]),
    "plaintext to IAM": (
        "credentials: {type: service_account_key, file: a, iam: 'iam.example:443', tls: false}",
        [
            "credentials.tls: false: the IAM service needs TLS, because its address is not on loopback",
        ],
    ),
    "plaintext to the exchange": (
        f"credentials: {{{_WORKLOAD}, url: 'http://example/t'}}",
        [f"credentials.url: {_URL}"],
    ),
    "a password in the URL": (
        f"credentials: {{{_WORKLOAD}, url: 'https://u:{CANARY}@h/'}}",
        [f"credentials.url: {_URL}"],
    ),
    "an address that is a URL": (
        "credentials: {type: metadata, address: 'http://a'}",
        [f"credentials.address: 'http://a': {_ADDRESS}"],
    ),
    "credentials of one upstream": (
        f"upstreams: {{operation: {{credentials: {{token: {CANARY}}}}}}}",
        [f"upstreams.operation.credentials.token: has no effect with {_OTHER}"],
    ),
    "credentials that no upstream uses": (
        f"credentials: {{type: metadata}}\nupstreams: {{baremetal: {_PASS}, operation: {_PASS}}}",
        ["credentials: has no effect, because each upstream has credentials of its own; remove one of them"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_names_its_key_and_shows_no_secret(tmp_path: Path, name: str) -> None:
    text, expected = BAD[name]
    assert faults_of(tmp_path, text) == [f"gateway.yaml: {one}" for one in expected]


def test_the_variable_of_the_sdks_changes_the_address_of_the_metadata_service(tmp_path: Path) -> None:
    variable = {"YC_METADATA_ADDR": "10.0.0.1:80"}
    shared = load(tmp_path, "credentials: {type: metadata}", **variable).credentials
    own = load(tmp_path, "upstreams: {operation: {credentials: {type: metadata}}}", **variable)
    assert [shared, own.upstreams["operation"].credentials] == [
        MetadataCredentials(address="10.0.0.1:80")
    ] * 2
    given = load(tmp_path, "credentials: {type: metadata, address: here}", **variable).credentials
    assert given == MetadataCredentials(address="here")
    assert load(tmp_path, "upstreams: {operation: {}}", **variable).credentials == PassthroughCredentials()
    assert faults_of(tmp_path, "credentials: {type: metadata}", YC_METADATA_ADDR="http://a") == [
        f"YC_METADATA_ADDR: credentials.address: 'http://a': {_ADDRESS}"
    ]


def test_sections_and_nothing_are_left_as_they_are() -> None:
    section = MetadataCredentials()
    assert parse_credentials(section) is section
    assert parse_credentials(None) is None
