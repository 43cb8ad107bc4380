"""Other parsers agree about every text that is accepted; texts about which they differ are refused."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.object_storage import DEFAULT_HOSTS, Link, LinkError, parse_link
from tests.object_storage.parsers import PARSERS, check_parsers_agree
from tests.object_storage.strategies import HOSTS, GeneratedLink, broken_links, links, near_links
from tests.object_storage.table import ACCEPTED, REFUSED, Accepted
from tests.rounds import examples

PROPERTY = examples(100, long=500)


def read(text: str) -> Link | None:
    try:
        return parse_link(text, HOSTS)
    except LinkError:
        return None


@pytest.mark.parametrize("row", [pytest.param(row, id=str(number)) for number, row in enumerate(ACCEPTED)])
def test_parsers_agree_about_the_table(row: Accepted) -> None:
    check_parsers_agree(row.text, parse_link(row.text), DEFAULT_HOSTS)


def test_parsers_agree_about_whatever_is_accepted_of_the_hostile_texts() -> None:
    """The table expects none; the check is for the day when one is accepted."""
    for text, _ in REFUSED:
        link = read(text)
        if link is not None:
            check_parsers_agree(text, link, HOSTS)


@PROPERTY
@given(links())
def test_links_are_read_and_parsers_agree(generated: GeneratedLink) -> None:
    link = parse_link(generated.text, HOSTS)
    assert (link.style, link.bucket, link.expires) == (generated.style, generated.bucket, generated.expires)
    assert link.key == unquote(generated.encoded_key, errors="strict")
    check_parsers_agree(generated.text, link, HOSTS)


@PROPERTY
@given(broken_links())
def test_a_character_that_no_link_has_is_refused_anywhere(text: str) -> None:
    assert read(text) is None


def test_parsers_agree_about_what_is_accepted_of_near_links() -> None:
    verdicts: Counter[bool] = Counter()

    @examples(300, long=1500)
    @given(near_links())
    def check(text: str) -> None:
        link = read(text)
        verdicts[link is not None] += 1
        if link is not None:
            check_parsers_agree(text, link, HOSTS)

    check()
    assert min(verdicts.values()) > verdicts.total() / 25, verdicts


@PROPERTY
@given(st.one_of(st.text(), st.text("https:/.-?%@storage")))
def test_any_text_is_a_link_or_refused(text: str) -> None:
    read(text)


@PROPERTY
@given(st.one_of(links().map(lambda link: link.text), near_links()))
def test_the_parts_are_in_the_text_as_written(text: str) -> None:
    """Nothing is fixed: the parts and the encoded key, joined, are the text."""
    link = read(text)
    if link is None:
        return
    path, mark, query = text.partition("?")
    where = f"{link.scheme}://{link.host}/"
    if link.host in (*HOSTS.storage, *HOSTS.website):
        where += f"{link.bucket}/"
    encoded_key = path.removeprefix(where)
    assert text == where + encoded_key + mark + query
    assert unquote(encoded_key, errors="strict") == link.key
    assert bool(mark) == link.presigned


@pytest.mark.parametrize("name", PARSERS)
def test_the_check_catches_a_lenient_parser(name: str) -> None:
    """The comparison can fail: every parser differs from a lenient one on many texts of the table."""
    caught = sum(is_caught(text, name) for text, _ in REFUSED)
    assert caught > 50


def is_caught(text: str, name: str) -> bool:
    """Return whether a parser finds another host or path than Python's urlsplit."""
    try:
        lenient, other = urlsplit(text), PARSERS[name](text)
    except (ValueError, AssertionError):
        return True
    return (other.host, other.path) != (lenient.netloc, lenient.path)
