"""The section of the identification of callers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.callers import Callers, JwtCallers

JWT: dict[str, Any] = {"issuer": "https://id.example", "audience": "gateway", "jwks_file": "keys.json"}


def _message(error: ValidationError) -> str:
    (only,) = error.errors()
    return str(only["msg"])


def test_callers_are_anonymous_by_default() -> None:
    assert Callers().type == "none"
    assert Callers().kinds == ()
    assert Callers().fields == {"address"}


@pytest.mark.parametrize(
    ("kinds", "parsed"), [("jwt", ("jwt",)), (["mtls", "tokens"], ("mtls", "tokens")), ("none", "none")]
)
def test_the_type_is_a_kind_or_a_list(kinds: Any, parsed: object) -> None:
    assert Callers(type=kinds).type == parsed


@pytest.mark.parametrize("kinds", ["magic", [], ["none"], ["jwt", "magic"], 5, None, [["jwt"]], {"jwt": 1}])
def test_other_types_are_refused(kinds: Any) -> None:
    with pytest.raises(ValidationError, match="'none', 'mtls', 'jwt' or 'tokens'"):
        Callers(type=kinds)


def test_a_kind_is_listed_once() -> None:
    with pytest.raises(ValidationError, match="listed twice"):
        Callers(type=["jwt", "jwt"])


def test_the_fields_of_callers_depend_on_the_kinds() -> None:
    named = {"address", "kind", "id", "claims"}
    assert Callers(type=("mtls",)).fields == named
    assert Callers(type=("mtls", "jwt")).fields == Callers(type=("tokens",)).fields == named | {"groups"}


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "proxy", "::/129", ""])
def test_a_network_that_cannot_be_trusted(text: str) -> None:
    with pytest.raises(ValidationError, match="a network is an address and a prefix length"):
        Callers(trusted_proxies=(text,))


def test_networks() -> None:
    networks = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32")
    assert Callers(trusted_proxies=networks).trusted_proxies == networks


@pytest.mark.parametrize("name", ["a.B", "/a.B/C", "a.B/C/D", "a.B/*", ""])
def test_open_methods_have_full_names(name: str) -> None:
    with pytest.raises(ValidationError, match=r"a method is package\.Service/Method"):
        Callers(open_methods=(name,))


def test_an_audience_is_a_text_or_a_list() -> None:
    assert JwtCallers(**JWT).audience == ("gateway",)
    assert JwtCallers(**JWT | {"audience": ["a", "b"]}).audience == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jwks_url": "https://id.example/keys"}, "exactly one of jwks_url and jwks_file is required"),
        ({"jwks_file": None}, "exactly one of jwks_url and jwks_file is required"),
        ({"refresh_s": 60}, "refresh_s has no effect without jwks_url"),
        ({"root_certificates": "ca.pem"}, "root_certificates has no effect without jwks_url"),
        ({"audience": []}, "at least 1 item"),
        ({"audience": ""}, "at least 1 character"),
        ({"issuer": ""}, "at least 1 character"),
        ({"algorithms": []}, "at least 1 item"),
        ({"algorithms": ["RS256", "RS256"]}, "listed twice"),
        ({"algorithms": ["HS256"]}, "Input should be 'RS256'"),
        ({"algorithms": ["none"]}, "Input should be 'RS256'"),
    ],
    ids=str,
)
def test_what_cannot_be_accepted_or_has_no_effect(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JwtCallers(**JWT | changes)
    assert message in _message(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://id.example/keys?v=2", "http://127.0.0.1:80/keys", "http://[::1]/", "http://localhost/keys"],
)
def test_urls_of_keys(url: str) -> None:
    assert JwtCallers(**JWT | {"jwks_file": None, "jwks_url": url}).jwks_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/keys",
        "http://localhost.example/keys",
        "file:///etc/keys",
        "https:///keys",
        "https://id.example/keys#part",
        "https://id.example:70000/",
        "https://id.example:0/",
        "https://[::1/",
        "https://id.example/a b",
        "https://id.exämple/",
        "keys",
        "",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        JwtCallers(**JWT | {"jwks_file": None, "jwks_url": url})


def test_root_certificates_have_an_effect_only_with_https() -> None:
    with pytest.raises(ValidationError, match="no effect with http"):
        JwtCallers(
            **JWT | {"jwks_file": None, "jwks_url": "http://localhost/", "root_certificates": "ca.pem"}
        )
