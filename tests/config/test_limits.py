"""The section of the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.config import Config, Limits, load_config
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.faults import FaultsError

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


def load(folder: Path, text: str, **environment: str) -> Limits:
    file = folder / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(
        file, {f"GATEWAY__LIMITS__{name}": value for name, value in environment.items()}
    ).limits


def faults(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        load(folder, text, **environment)
    assert all("hunter2" not in f"{fault} {fault.position.source}" for fault in caught.value.faults)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_limits_have_bounds() -> None:
    limits = Limits()
    assert (limits.concurrency, limits.queue, limits.queue_s) == (256, 64, 0.2)
    assert (limits.has_rates, limits.store, limits.on_error) == (False, None, "allow")
    for wrong in ({"concurrency": 0}, {"queue": -1}, {"queue_s": 0}, {"queue": 10_001}):
        with pytest.raises(ValidationError):
            Limits.model_validate(wrong)


def test_every_limit_can_be_set(tmp_path: Path) -> None:
    text = f"""\
limits:
  rate: 2000/second
  per_caller: {{rate: 20/second, concurrency: 8}}
  per_method:
    {CREATE}: {{rate: 5/minute}}
    baremetal_gateway.v1.Operations/Wait: {{concurrency: 100}}
  store: rediss://user:hunter2@store.example:6380/2?ssl_ca_certs=/etc/ca.pem
"""
    limits = load(tmp_path, text, ON_ERROR="refuse", PER_CALLER__RATE="30/hour")
    assert limits.rate == Rate(2000, 1)
    assert limits.per_caller == CallLimits(rate=Rate(30, 3600), concurrency=8)
    assert limits.per_method[CREATE].rate == Rate(5, 60)
    assert (limits.has_rates, limits.on_error) == (True, "refuse")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:p%40ss@127.0.0.1:6379/0",
        "rediss://user:password@[::1]:6380/15",
        "valkey://valkey.example/",
        "valkeys://valkey.example:1?ssl_certfile=a&ssl_keyfile=b",
    ],
)
def test_stores(url: str) -> None:
    assert Limits(store=url).store == url


@pytest.mark.parametrize(
    "url",
    [
        "memcached://:hunter2@h",
        "redis:hunter2",
        "redis://:hunter2@",
        "redis://:hunter2/@h:1",
        "redis://:hunter2@h:port",
        "redis://h/name?password=hunter2",
        "redis://h?password=hunter2",
        "redis://:hunter2@h/0#x",
        "/run/redis/hunter2.sock",
    ],
)
def test_anything_else_is_no_store_and_is_not_shown(tmp_path: Path, url: str) -> None:
    (fault,) = faults(tmp_path, f"limits:\n  rate: 1/day\n  store: {url}\n")
    assert fault.startswith(
        "gateway.yaml:3:3: limits.store: must be redis://user:password@host:port/database"
    )


def test_what_is_shown_of_a_configuration_holds_no_password() -> None:
    config = Config(limits=Limits(rate=Rate(1, 1), store="redis://:hunter2@store.example"))
    assert "hunter2" not in f"{config!r} {config} {config.limits!r} {config.limits}"


def test_a_setting_without_an_effect_is_a_fault(tmp_path: Path) -> None:
    text = f"""\
limits:
  queue: 0
  queue_s: 1
  concurrency: 10
  store: redis://:hunter2@store.example
  per_caller: {{concurrency: 10}}
  per_method:
    {CREATE}: {{}}
    a.B/C: {{concurrency: 11}}
"""
    assert faults(tmp_path, text) == [
        "gateway.yaml:3:3: limits.queue_s: has no effect: limits.queue is 0, so no call waits",
        (
            "gateway.yaml:5:3: limits.store: has no effect: no rate is set; set limits.rate, "
            "limits.per_caller.rate or a method's"
        ),
        (
            "gateway.yaml:6:16: limits.per_caller.concurrency: has no effect: limits.concurrency and "
            "limits.queue allow 10 calls"
        ),
        f"gateway.yaml:8:5: limits.per_method.{CREATE}: has no effect: set its rate or its concurrency",
        (
            "gateway.yaml:9:13: limits.per_method.a.B/C.concurrency: has no effect: limits.concurrency and "
            "limits.queue allow 10 calls"
        ),
    ]
    assert faults(tmp_path, "limits: {rate: 1/second, on_error: allow}") == [
        "gateway.yaml:1:26: limits.on_error: has no effect: no limits.store is set"
    ]
    assert load(tmp_path, "limits: {queue: 1, queue_s: 1, per_caller: {concurrency: 256}}").queue == 1


def test_a_rate_that_is_none_is_a_fault_with_examples(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "limits:\n  per_caller: {rate: 20}\n")
    assert fault == (
        "gateway.yaml:2:16: limits.per_caller.rate: 20: a rate is a number and a unit, as 20/second, "
        "600/minute, 1000/hour or 5000/day"
    )
