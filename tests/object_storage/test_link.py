from __future__ import annotations

import re
import time
from dataclasses import FrozenInstanceError
from importlib import import_module

import pytest

from gateway.object_storage import DEFAULT_HOSTS, MAX_LENGTH, Hosts, LinkError, parse_link

GOOD = "https://storage.yandexcloud.net/golden-images/a.iso"
MODULES = ["hosts", "link", "object_key", "signature"]
SEARCHED = {"_BAD_ESCAPE", "_FORBIDDEN_ESCAPE", "_INVISIBLE", "_RESERVED_LABEL"}  # the others match whole
# Texts on which a pattern that tries again and again would hang.
LONG = [
    start + piece * 32_768 + end
    for start in ("", "https://", "https://storage.yandexcloud.net/")
    for piece in ("a", "-", ".", "a.", "a-", "/.", "//", "%2", "%25", "a%3B", "%20", "0", "9.", "@:", "=&")
    for end in ("", "!", "\n", "%", "é")
]


def test_a_link_is_at_most_as_long_as_the_api_takes() -> None:
    longest = GOOD + "/" * (MAX_LENGTH - len(GOOD))
    assert len(parse_link(longest).key) == len(longest) - len(
        "https://storage.yandexcloud.net/golden-images/"
    )
    with pytest.raises(LinkError, match="longer than 1024 characters"):
        parse_link(longest + "/")


@pytest.mark.parametrize("host", DEFAULT_HOSTS.storage)
def test_every_host_of_the_storage_is_read_in_both_styles(host: str) -> None:
    in_path = parse_link(f"https://{host}/golden-images/a.iso")
    in_host = parse_link(f"https://golden-images.{host}/a.iso")
    assert (in_path.bucket, in_path.key, in_path.style) == ("golden-images", "a.iso", "path")
    assert (in_host.bucket, in_host.key, in_host.style) == ("golden-images", "a.iso", "virtual-hosted")


def test_other_hosts_take_the_place_of_the_usual_ones() -> None:
    hosts = Hosts(storage=("storage.yandexcloud.kz",), website=())
    link = parse_link("https://golden-images.storage.yandexcloud.kz/a.iso", hosts)
    assert (link.bucket, link.host) == ("golden-images", "golden-images.storage.yandexcloud.kz")
    for text in (GOOD, "https://website.yandexcloud.net/golden-images/a.iso"):
        with pytest.raises(LinkError, match=r"links start with https://storage\.yandexcloud\.kz/"):
            parse_link(text, hosts)


def test_a_bucket_named_like_a_host_that_is_not_the_service_s_is_read() -> None:
    text = "https://storage.yandexcloud.net/storage.yandexcloud.kz/a.iso"
    assert parse_link(text).bucket == "storage.yandexcloud.kz"
    with pytest.raises(LinkError, match="named like a host"):
        parse_link(text, Hosts(storage=(*DEFAULT_HOSTS.storage, "storage.yandexcloud.kz")))


def test_a_link_does_not_change() -> None:
    link = parse_link(GOOD)
    with pytest.raises(FrozenInstanceError):
        link.bucket = "other"  # type: ignore[misc]


def test_an_endless_text_is_refused_at_once() -> None:
    started = time.process_time()
    for text in LONG:
        with pytest.raises(LinkError, match="longer than"):
            parse_link(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        pytest.param(name, value, id=f"{module}.{name}.{number}")
        for module in MODULES
        for name, found in sorted(vars(import_module(f"gateway.object_storage.{module}")).items())
        for number, value in enumerate(found.values() if isinstance(found, dict) else [found])
        if isinstance(value, re.Pattern)
    ],
)
def test_no_pattern_needs_more_than_linear_time(name: str, pattern: re.Pattern[str]) -> None:
    started = time.process_time()
    for text in LONG:
        if name in SEARCHED:
            pattern.search(text)
        else:
            pattern.fullmatch(text)
    assert time.process_time() - started < 5


def test_a_hostile_text_as_long_as_the_api_takes_is_judged_quickly() -> None:
    started = time.process_time()
    for text in LONG:
        with pytest.raises(LinkError):
            parse_link(text[: MAX_LENGTH - 1] + text[-1])
    assert time.process_time() - started < 1
