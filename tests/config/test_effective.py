"""The effective values: their form, their sources, and the secrets that are hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretBytes, SecretStr

from gateway.config.effective import EffectiveValue, hide_password, list_values
from gateway.config.ledger import LedgerUrl
from gateway.config.load import load_with_origins
from gateway.config.origins import Origins
from gateway.config.section import Section
from gateway.config.sections import Config
from gateway.config.values import Duration

CANARY = "hunter2"


def values_of(config: Any, origins: Origins | None = None) -> dict[str, EffectiveValue]:
    return {one.key: one for one in list_values(config, origins or Origins(None))}


class Inner(Section):
    name: str = "n"
    token: SecretStr = SecretStr(CANARY)


class Sample(Section):
    """A section with a secret in each form that a later section may choose."""

    secret: SecretStr = SecretStr(CANARY)
    secret_bytes: SecretBytes | None = SecretBytes(CANARY.encode())
    text: str = Field(CANARY, repr=False)
    number: int = Field(4711, repr=False)
    url: LedgerUrl = f"postgresql://gateway:{CANARY}@db.example:5432/ledger"
    optional_url: str | None = Field(f"redis://:{CANARY}@cache.example/0", repr=False)
    texts: tuple[str, ...] = Field((CANARY, f"redis://{CANARY}@cache.example"), repr=False)
    secrets: tuple[SecretStr, ...] = (SecretStr(CANARY),)
    map_of_secrets: dict[str, str] = Field({"a": CANARY}, repr=False)
    section: Inner = Field(Inner(name=CANARY), repr=False)
    sections: tuple[Inner, ...] = (Inner(), Inner())
    unmarked_url: str = f"https://user:{CANARY}@host/path?sig={CANARY}"
    missing: SecretStr | None = None
    missing_url: str | None = Field(None, repr=False)


def test_no_secret_is_shown() -> None:
    values = values_of(Sample())
    assert CANARY not in json.dumps([one.value for one in values.values()])
    assert {key: one.value for key, one in values.items()} == {
        "secret": "***",
        "secret_bytes": "***",
        "text": "***",
        "number": "***",
        "url": "postgresql://gateway:***@db.example:5432/ledger",
        "optional_url": "redis://:***@cache.example/0",
        "texts": ["***", "redis://***@cache.example"],
        "secrets": ["***"],
        "map_of_secrets.a": "***",
        "section.name": "***",
        "section.token": "***",
        "sections[0].name": "n",
        "sections[0].token": "***",
        "sections[1].name": "n",
        "sections[1].token": "***",
        "unmarked_url": "https://…@host/path?…",
        "missing": None,
        "missing_url": None,
    }


def test_no_secret_of_the_configuration_is_shown() -> None:
    url = f"postgresql://gateway:{CANARY}@db.example/ledger"
    config, origins = load_with_origins(None, {"GATEWAY__LEDGER__URL": url})
    value = values_of(config, origins)["ledger.url"]
    assert (value.value, value.source) == (
        "postgresql://gateway:***@db.example/ledger",
        "GATEWAY__LEDGER__URL",
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:p@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:p@word@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:p/word@host/db", "postgresql://***"),
        ("postgresql://user:p?word@host/db", "postgresql://***"),
        ("postgresql://user:p#word@host/db", "postgresql://***"),
        ("postgresql://user@host/db", "postgresql://***@host/db"),
        ("postgresql://host/db?password=p&sslmode=x&y", "postgresql://host/db?password=***&sslmode=***"),
        ("postgresql://host/db?word", "postgresql://host/db?***"),
        ("https://host/path#fragment", "https://host/path"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://host/0?x=a@b", "redis://***"),
        ("sqlite:////var/lib/a@b/ledger.db", "sqlite:////var/lib/a@b/ledger.db"),
        ("word", "***"),
        ("pass://", "pass://"),
        ("my password ://x", "***"),
        ("", "***"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide_password(url) == shown


class Forms(Section):
    retention: Duration = 400 * 86400
    pause: Duration = 1.5
    seconds: float = 30.0
    half: float = 0.5
    path: Path = Path("a/b")
    switch: bool = True
    empty: dict[str, str] = Field({})
    names: tuple[str, ...] = ("a", "b")


def test_values_have_the_form_of_the_file() -> None:
    assert {key: one.value for key, one in values_of(Forms()).items()} == {
        "retention": "400d",
        "pause": 1.5,
        "seconds": 30,
        "half": 0.5,
        "path": "a/b",
        "switch": True,
        "empty": {},
        "names": ["a", "b"],
    }


def test_every_key_is_listed_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "rest: {listen: '[::1]:80'}\n"
        "upstreams:\n  baremetal: {tls: false, address: '127.0.0.1:1'}\n  mine:\n    address: b:2\n"
        "api:\n  services:\n    my.Service: mine\n"
    )
    config, origins = load_with_origins(file, {"GATEWAY__UPSTREAMS__MINE__TLS": "true"})
    values = values_of(config, origins)
    assert {key.partition(".")[0] for key in values} == set(Config.model_fields)
    shown = {key: (one.value, one.source.replace(str(file), "file")) for key, one in values.items()}
    assert shown["rest.listen"] == ("[::1]:80", "file:1")
    assert shown["upstreams.baremetal.tls"] == (False, "file:3")
    assert shown["upstreams.operation.tls"] == (True, "default")
    assert shown["upstreams.mine.address"] == ("b:2", "file:5")
    assert shown["upstreams.mine.tls"] == (True, "GATEWAY__UPSTREAMS__MINE__TLS")
    assert shown["api.services.my.Service"] == ("mine", "file:8")
    assert shown["api.services.yandex.cloud.operation.OperationService"] == ("operation", "default")
    assert shown["ledger.retention"] == ("400d", "default")
