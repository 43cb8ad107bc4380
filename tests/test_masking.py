"""Secrets do not survive; texts stay on their line."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking import mask, mask_value, quote

_SIGNATURE = "3f2a9c0d5e6b7a8190f0e1d2c3b4a59687f6e5d4c3b2a1908070605040302010"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("plain text", "plain text"),
        ("https://storage.yandexcloud.net/bucket/key.iso", "https://storage.yandexcloud.net/bucket/key.iso"),
        ("https://h/k?X-Amz-Signature=abc&x=1", "https://h/k?…"),
        ("https://h/k?x=1#frag", "https://h/k?…"),
        ("https://h/k#frag", "https://h/k#…"),
        ("https://user:password@h/k", "https://…@h/k"),
        ("https://user:p@ss@h/k", "https://…@h/k"),
        ("s3://key:secret@h/k?x", "s3://…@h/k?…"),
        ("postgresql://u:p@db:5432/x?sslkey=y", "postgresql://…@db:5432/x?…"),
        ('see "https://h/k?sig=1" and <http://g/l?sig=2>', 'see "https://h/k?…" and <http://g/l?…>'),
        ("mail me@example.com", "mail me@example.com"),
        ("X-Amz-Signature=abc&x=1", "X-Amz-Signature=…&x=1"),
        ("x-amz-signature: abc", "x-amz-signature: …"),
        ('{"X-Amz-Signature": "abc", "x": 1}', '{"X-Amz-Signature": "…", "x": 1}'),
        ("k%3FX-Amz-Signature%3Dabc", "k%3FX-Amz-Signature%3D…"),
        (
            "X-Amz-Credential=AKID/20260131&X-Amz-Security-Token=t",
            "X-Amz-Credential=…&X-Amz-Security-Token=…",
        ),
        ("AWSAccessKeyId=AKID&Signature=s&Expires=1", "AWSAccessKeyId=…&Signature=…&Expires=1"),
        ("authorization: Bearer abcdefgh12345", "authorization: Bearer …"),
        ("t1.9euelZqYkZ2Tl8_m.signature", "t1. …"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic …"),
        ("bearer: abcdefgh12345", "bearer …"),
        ("a eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln b", "a eyJ… b"),
        ("OAuth y0_AgAAAABkZXZlbG9wZXI end", "OAuth y0_… end"),
        ("Api-Key AQVNabcdefghijklmnopq", "Api-Key AQVN…"),
        ("basic ideas", "basic ideas"),
        ("https://u:s3cr'et@h/a.iso?token='x", "https://…@h/a.iso?…"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked


_NO_SECRET = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_SEPARATORS = st.sampled_from(["=", ": ", '": "', "%3D", "%3d", " = "])
_BEFORE = st.sampled_from(
    [
        "",
        "?",
        "&",
        " ",
        "https://h/k?",
        "https://h/k?X-Amz-Expires=5&",
        "h/k?",
        "https%3A%2F%2Fh%2Fk%3F",
        '{"',
        "\n",
    ]
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    _NO_SECRET,
    _BEFORE,
    _SEPARATORS,
    _NO_SECRET,
    st.sampled_from(["X-Amz-Signature", "x-amz-signature", "Signature"]),
)
def test_a_signature_never_survives(before: str, start: str, separator: str, after: str, name: str) -> None:
    text = f"{before}{start}{name}{separator}{_SIGNATURE}{after}"
    assert _SIGNATURE[:16] not in mask(text)
    assert _SIGNATURE[:16] not in quote(text)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    _NO_SECRET,
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=5),
    st.text(string.ascii_letters + string.digits + "-._~:@!$&()*+,;=%", max_size=10),
)
def test_the_user_and_the_query_of_a_link_never_survive(before: str, scheme: str, password: str) -> None:
    text = f"{before} {scheme}://u:{password}{_SIGNATURE}@host/key?a={_SIGNATURE}"
    assert _SIGNATURE not in mask(text)


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=300))
def test_a_quoted_text_is_one_printable_line(text: str) -> None:
    shown = quote(text)
    assert shown.isprintable()
    assert shown[0] == shown[-1] == '"'
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", '"a"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\r\nb\0", '"a\\r\\nb\\u0000"'),
        ("\u202eabc\u2028", '"\\u202eabc\\u2028"'),
        ("я😀", '"я😀"'),
        ("\ud800", '"\\ud800"'),
        ("x" * 121, f'"{"x" * 120}…"'),
        (f"https://h/{'k' * 200}?X-Amz-Signature=abc", f'"https://h/{"k" * 110}…"'),
    ],
)
def test_quote(text: str, shown: str) -> None:
    assert quote(text) == shown


@pytest.mark.parametrize(
    "text",
    ["a" * 200_000, "a:" * 100_000, "://" * 70_000, "https://" + "a@" * 100_000, "Bearer " * 30_000,
     "Bearer" + " " * 200_000, "X-Amz-Signature" * 15_000, "Signature" + " " * 200_000, "//" * 100_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_long_texts_are_masked_quickly(text: str) -> None:
    started = time.process_time()
    quote(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('https://h/a?x="secret', "https://h/a?…"),
        ("https://h/a?x=1 secret", "https://h/a?…"),
        ("https://h/a?x=1\nsecret", "https://h/a?…"),
        ("https://u:p w@h/a#b c", "https://…@h/a#…"),
        ("https://u:p'w\"d@h/a", "https://…@h/a"),
        ("https://h/a@b.iso", "https://h/a@b.iso"),
        ("see https://h/a?x=1 there", "see https://h/a?… there"),
        ("no link", "no link"),
    ],
)
def test_a_value_that_is_a_link_is_masked_to_its_end(text: str, masked: str) -> None:
    assert mask_value(text) == masked
