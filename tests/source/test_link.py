from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.source import DEFAULT_HOSTS, Link, LinkError, parse_link

TABLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("links.yaml").read_text(encoding="utf-8"))
ACCEPTED: list[tuple[str, str, str, str, str, bool]] = TABLE["accepted"]
REFUSED = [(text, reason) for reason, texts in TABLE["refused"].items() for text in texts]

GOOD = "https://storage.yandexcloud.net/golden-images/a.iso"


@pytest.mark.parametrize(
    ("text", "style", "bucket", "key", "extension", "presigned"),
    [pytest.param(*row, id=f"{number}-{row[0][:60]!a}") for number, row in enumerate(ACCEPTED)],
)
def test_reads_a_link(
    text: str, style: str, bucket: str, key: str, extension: str, *, presigned: bool
) -> None:
    link = parse_link(text)
    assert (link.style, link.bucket, link.key) == (style, bucket, key)
    assert (link.extension, link.presigned) == (extension, presigned)
    assert text.startswith(f"{link.scheme}://{link.host}/")


@pytest.mark.parametrize(
    ("text", "reason"),
    [pytest.param(*row, id=f"{number}-{row[0][:60]!a}") for number, row in enumerate(REFUSED)],
)
def test_refuses_what_could_be_read_otherwise(text: str, reason: str) -> None:
    with pytest.raises(LinkError) as caught:
        parse_link(text)
    assert reason in str(caught.value)


def test_the_table_is_large_and_says_nothing_twice() -> None:
    texts = [row[0] for row in ACCEPTED] + [text for text, _ in REFUSED]
    assert len(texts) == len(set(texts))
    assert len(texts) >= 150


@pytest.mark.parametrize(("length", "is_read"), [(1024, True), (1025, False)])
def test_a_key_has_at_most_1024_bytes(length: int, *, is_read: bool) -> None:
    text = f"https://storage.yandexcloud.net/golden-images/{'a' * length}"
    if is_read:
        assert len(parse_link(text).key) == length
    else:
        with pytest.raises(LinkError, match="longer than 1024 bytes"):
            parse_link(text)


def test_the_length_of_a_key_counts_decoded_bytes() -> None:
    text = f"https://storage.yandexcloud.net/golden-images/{'%D0%BE' * 512}"
    assert parse_link(text).key == "о" * 512
    with pytest.raises(LinkError, match="longer than 1024 bytes"):
        parse_link(text + "a")


def test_other_hosts_take_the_place_of_the_usual_one() -> None:
    hosts = ("storage.yandexcloud.kz",)
    link = parse_link("https://golden-images.storage.yandexcloud.kz/a.iso", hosts)
    assert (link.bucket, link.host) == ("golden-images", "golden-images.storage.yandexcloud.kz")
    with pytest.raises(LinkError, match=r"links start with https://storage\.yandexcloud\.kz/"):
        parse_link(GOOD, hosts)


def test_a_reason_shows_nothing_of_the_link() -> None:
    secret = "5ec4e7"
    for text in (
        f"https://user:{secret}@storage.yandexcloud.net/golden-images/a.iso",
        f"https://storage.yandexcloud.net/golden-images/a.iso?token={secret}",
        f"https://{secret}.example.com/a.iso?X-Amz-Signature={secret}",
        f"https://storage.yandexcloud.net/{secret}_/a.iso?X-Amz-Signature={secret}",
    ):
        with pytest.raises(LinkError) as caught:
            parse_link(text)
        assert secret not in str(caught.value)


def links() -> st.SearchStrategy[str]:
    """Texts near to links: pieces that mean something to some reader, joined."""
    scheme = rarely(
        "https://", st.sampled_from(["http://", "https:", "HTTPS://", "//", "s3://", "https:///"])
    )
    host = st.sampled_from(
        [
            "storage.yandexcloud.net",
            "golden-images.storage.yandexcloud.net",
            "golden.images.storage.yandexcloud.net",
            "xn--80ak6aa92e.storage.yandexcloud.net",
            "storage.yandexcloud.net.",
            "Storage.yandexcloud.net",
            "example.com",
            "[::1]",
        ]
    )
    plain, odd = st.sampled_from(TABLE["plain_pieces"]), st.sampled_from(TABLE["odd_pieces"])
    key = st.lists(rarely(plain, st.one_of(odd, st.text(max_size=3))), max_size=6).map("".join)
    return st.tuples(
        scheme,
        rarely("", odd),
        host,
        rarely("/", st.just("")),
        rarely("golden-images/", odd),
        key,
        rarely("", st.just("?X-Amz-Signature=0a&X-Amz-Date=1")),
    ).map("".join)


def rarely(usual: str | st.SearchStrategy[str], otherwise: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    often = st.just(usual) if isinstance(usual, str) else usual
    return st.integers(0, 7).flatmap(lambda number: otherwise if number == 7 else often)


def read(text: str) -> Link | None:
    try:
        return parse_link(text)
    except LinkError:
        return None


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.one_of(st.text(), links()))
@example("\ud800")
@example("https://storage.yandexcloud.net/golden-images/\udcff.iso")
def test_any_text_is_a_link_or_refused(text: str) -> None:
    link = read(text)
    if link is not None:
        assert link.host in DEFAULT_HOSTS or link.host == f"{link.bucket}.{DEFAULT_HOSTS[0]}"
        assert text.isascii()
        assert link.key


@settings(derandomize=True, deadline=None, max_examples=500)
@given(links())
def test_other_readers_see_the_same_link(text: str) -> None:
    link = read(text)
    if link is not None:
        check_that_readers_agree(text, link)


@pytest.mark.parametrize("row", [pytest.param(row, id=str(number)) for number, row in enumerate(ACCEPTED)])
def test_other_readers_see_the_same_accepted_link(row: tuple[str, ...]) -> None:
    check_that_readers_agree(row[0], parse_link(row[0]))


def check_that_readers_agree(text: str, link: Link) -> None:
    """Where another reader sees another link, ours has to refuse it."""
    path = f"/{link.bucket}/{link.key}" if link.style == "path" else f"/{link.key}"
    standard = urlsplit(text)
    assert (standard.scheme, standard.netloc, standard.hostname) == (link.scheme, link.host, link.host)
    assert (standard.username, standard.port, standard.fragment) == (None, None, "")
    assert unquote(standard.path, errors="strict") == path
    assert bool(standard.query) == link.presigned
    other = URL(text)
    assert (other.scheme, other.host, other.raw_host) == (link.scheme, link.host, link.host)
    assert (other.user, other.explicit_port, other.fragment) == (None, None, "")
    assert other.path == path
    assert bool(other.raw_query_string) == link.presigned
