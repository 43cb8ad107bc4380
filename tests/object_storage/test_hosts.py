from __future__ import annotations

import pytest

from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.object_storage.hosts import has_reserved_label


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("storage.yandexcloud.net", ("", False)),
        ("golden-images.storage.yandexcloud.net", ("golden-images", False)),
        ("golden.images.storage.yandexcloud.net", ("golden.images", False)),
        ("s3.yandexcloud.net", ("", False)),
        ("golden-images.s3.yandexcloud.net", ("golden-images", False)),
        ("storage.cloud.yandex.net", ("", False)),
        ("website.yandexcloud.net", ("", True)),
        ("golden-images.website.yandexcloud.net", ("golden-images", True)),
        ("yandexcloud.net", None),
        ("evilstorage.yandexcloud.net", None),
        ("storage.yandexcloud.net.evil.example", None),
        ("storage.yandexcloud.kz", None),
        ("", None),
    ],
)
def test_finds_the_bucket_before_a_host(host: str, found: tuple[str, bool] | None) -> None:
    assert DEFAULT_HOSTS.find(host) == found


def test_hosts_are_equal_when_their_names_are() -> None:
    assert Hosts() == DEFAULT_HOSTS
    assert hash(Hosts()) == hash(DEFAULT_HOSTS)
    assert Hosts(website=()) != DEFAULT_HOSTS
    assert repr(Hosts(storage=("a.b",), website=())) == "Hosts(storage=('a.b',), website=())"


def test_further_hosts_stand_beside_the_usual_ones() -> None:
    hosts = Hosts(storage=(*DEFAULT_HOSTS.storage, "storage.pe.yandexcloud.net", "storage.yandexcloud.kz"))
    assert hosts.find("golden-images.storage.pe.yandexcloud.net") == ("golden-images", False)
    assert hosts.find("storage.yandexcloud.net") == ("", False)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "storage",
        "Storage.yandexcloud.net",
        "storage.yandexcloud.net.",
        ".storage.yandexcloud.net",
        "storage..net",
        "storage.yandexcloud.net:443",
        "https://storage.yandexcloud.net",
        "storage.yandexcloud.net/",
        "user@storage.yandexcloud.net",
        "*.yandexcloud.net",
        "storage.yandexcloud.net\n",
        " storage.yandexcloud.net",
        "st\u043erage.yandexcloud.net",
        "xn--strage-bnf.yandexcloud.net",
        "ab--cd.yandexcloud.net",
        "-storage.yandexcloud.net",
        "storage-.yandexcloud.net",
        "storage_.yandexcloud.net",
        "127.0.0.1",
        "a.0x7f",
        "[::1]",
        f"{'a' * 64}.net",
        f"{'a.' * 126}nett",
    ],
)
def test_a_name_has_to_be_plain(name: str) -> None:
    reason = "is not a plain host name in lower case, without a port"
    with pytest.raises(ValueError, match=reason):
        Hosts(storage=(name,))
    with pytest.raises(ValueError, match=reason):
        Hosts(website=(name,))


def test_the_longest_names_are_taken() -> None:
    name = f"{'a.' * 125}net"
    assert Hosts(storage=(name, f"{'a' * 63}.kz"), website=()).find(name) == ("", False)


@pytest.mark.parametrize(
    ("storage", "website", "reason"),
    [
        ((), ("a.b",), "no host of Object Storage is named"),
        (("a.b", "a.b"), (), '"a.b" is named twice'),
        (("a.b",), ("a.b",), '"a.b" is named twice'),
        (("a.b", "c.a.b"), (), '"c.a.b" ends in "a.b", so its links could name two buckets'),
        (("c.a.b", "a.b"), (), '"c.a.b" ends in "a.b"'),
        (("a.b",), ("c.a.b",), '"c.a.b" ends in "a.b"'),
        (("c.a.b",), ("a.b",), '"c.a.b" ends in "a.b"'),
    ],
)
def test_no_link_can_be_read_in_two_ways(
    storage: tuple[str, ...], website: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Hosts(storage=storage, website=website)
    assert reason in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Hosts(storage=("A.b", "a.b", "c.a.b"), website=("a.b",))
    for reason in ('"A.b" is not a plain', '"a.b" is named twice', '"c.a.b" ends in "a.b"'):
        assert str(caught.value).count(reason) == 1


@pytest.mark.parametrize(
    ("name", "has"),
    [("xn--a", True), ("a.xn--b", True), ("ab--c.d", True), ("a--b", False), ("abc--d", False)],
)
def test_reserved_labels(name: str, *, has: bool) -> None:
    assert has_reserved_label(name) is has
