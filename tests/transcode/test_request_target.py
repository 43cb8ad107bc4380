"""Request targets as they come off the wire."""

from __future__ import annotations

import pytest

from gateway.errors import Code, GatewayError
from gateway.transcode.request_target import RequestTarget, decode, parse_target


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("/", RequestTarget("/", ("",), ())),
        ("/v1/images", RequestTarget("/v1/images", ("v1", "images"), ())),
        ("/v1/images/", RequestTarget("/v1/images/", ("v1", "images", ""), ())),
        ("//v1", RequestTarget("//v1", ("", "v1"), ())),
        ("/a%2Fb/%2e%2e", RequestTarget("/a%2Fb/%2e%2e", ("a%2Fb", "%2e%2e"), ())),
        ("/a+b", RequestTarget("/a+b", ("a+b",), ())),
        ("/a?x=a+b&y=a%2Bb", RequestTarget("/a", ("a",), (("x", "a b"), ("y", "a+b")))),
        ("/a?x+y=1", RequestTarget("/a", ("a",), (("x y", "1"),))),
        ("/a?", RequestTarget("/a", ("a",), ())),
        ("/a?x", RequestTarget("/a", ("a",), (("x", ""),))),
        ("/a?x=", RequestTarget("/a", ("a",), (("x", ""),))),
        ("/a?=1", RequestTarget("/a", ("a",), (("", "1"),))),
        ("/a?x=1=2", RequestTarget("/a", ("a",), (("x", "1=2"),))),
        ("/a?x=1&&x=2&", RequestTarget("/a", ("a",), (("x", "1"), ("x", "2")))),
        ("/a?x=1;y=2", RequestTarget("/a", ("a",), (("x", "1;y=2"),))),
        ("/a?x=?/", RequestTarget("/a", ("a",), (("x", "?/"),))),
        ("/a?x=%26y%3D1", RequestTarget("/a", ("a",), (("x", "&y=1"),))),
        ("/a?x=%252F", RequestTarget("/a", ("a",), (("x", "%2F"),))),
        ("/a?x=%d1%8f", RequestTarget("/a", ("a",), (("x", "я"),))),
        ("/a?x=я", RequestTarget("/a", ("a",), (("x", "я"),))),
        ("http://evil/v1/images?x=1", RequestTarget("/v1/images", ("v1", "images"), (("x", "1"),))),
        ("HTTPS://user@evil:80/v1", RequestTarget("/v1", ("v1",), ())),
        ("http://evil", RequestTarget("/", ("",), ())),
        ("http://evil?x=1", RequestTarget("/", ("",), (("x", "1"),))),
        ("http://evil//v1", RequestTarget("//v1", ("", "v1"), ())),
    ],
)
def test_parse(raw: str, target: RequestTarget) -> None:
    assert parse_target(raw) == target


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("/a#b", "the request target has a fragment"),
        ("/a?x=1#b", "the request target has a fragment"),
        ("http://evil/a#b", "the request target has a fragment"),
        ("/a%", "the path has a '%' without two hexadecimal digits after it"),
        ("/a%2", "the path has a '%' without two"),
        ("/%zz", "the path has a '%' without two"),
        ("/% 41", "the path has a '%' without two"),
        ("/%\uff11\uff11", "the path has a '%' without two"),
        ("/a?x=%zz", "a query parameter has a '%' without two"),
        ("/a?%zz=1", "a query parameter's name has a '%' without two"),
        ("/%ff", "the path is not UTF-8 once decoded"),
        ("/%c0%af", "the path is not UTF-8 once decoded"),
        ("/%ed%a0%80", "the path is not UTF-8 once decoded"),
        ("/\udcff", "the path is not UTF-8 once decoded"),
        ("/\ud800\udc00", "the path is not UTF-8 once decoded"),
        ("/a?x=%ff", "a query parameter is not UTF-8 once decoded"),
        ("/a?x=\udcff", "a query parameter is not UTF-8 once decoded"),
        ("/%00", "the path has a NUL character"),
        ("/a\0b", "the path has a NUL character"),
        ("/a?x=%00", "a query parameter has a NUL character"),
        ("v1/images", "the request target has to begin with '/'"),
        ("*", "the request target has to begin with '/'"),
        ("", "the request target has to begin with '/'"),
        ("?x=1", "the request target has to begin with '/'"),
        ("evil:443", "the request target has to begin with '/'"),
        ("ftp://evil/v1", "the request target has to begin with '/'"),
    ],
)
def test_refusals(raw: str, message: str) -> None:
    with pytest.raises(GatewayError) as caught:
        parse_target(raw)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message.startswith(message)


def test_number_of_parameters_is_bounded() -> None:
    assert len(parse_target("/a?" + "&".join(["x=1"] * 256)).query) == 256
    with pytest.raises(GatewayError, match="the query has 257 parameters; 256 are allowed"):
        parse_target("/a?" + "&".join(["x=1"] * 257))


def test_decoding_is_done_once() -> None:
    assert decode("%2523", "it") == "%23"
    assert decode("a+b", "it") == "a+b"
    assert decode("a+b", "it", plus=True) == "a b"
