"""Expressions that YAML reads as something else: the fault says why, and how to write them."""

from __future__ import annotations

import pytest

from gateway.documents import load_documents
from gateway.faults import FaultsError


def fault(text: str) -> str:
    with pytest.raises(FaultsError) as caught:
        load_documents(text, "f.yaml")
    (found,) = caught.value.faults
    return str(found)


QUOTE = "in YAML a value that starts with a quote ends at the next one"
TAG = "in YAML a ! at the start is a tag"
COLON = "in YAML a colon and a space start another key"

MISTAKES = {
    "a quote at the start": (
        '- name: r\n  assert: "x" in y\n',
        f"{QUOTE}: write assert: '\"x\" in y'",
    ),
    "a text and more": ('message: "a" + b\n', f"{QUOTE}: write message: '\"a\" + b'"),
    "single quotes at the start": (
        "assert: 'a' == b\n",
        f"{QUOTE}: write assert: >- and on the next line, indented, 'a' == b",
    ),
    "in braces": ('{name: r, assert: "x" in y}', f"{QUOTE}: put the whole value in quotes"),
    "a long value": (
        f'assert: "x" in {"y" * 200}\n',
        f"{QUOTE}: put the whole value in single quotes, or on the line below assert: >-",
    ),
    "not, with parentheses": (
        'spec:\n  assert: !("x" in request.labels) || y\n  message: z\n',
        f"{TAG}: write assert: '!(\"x\" in request.labels) || y'",
    ),
    "not, without spaces": ("assert: !(x)\n", f"{TAG}: write assert: '!(x)'"),
    "not, of a field": ("assert: !request.x == 1\n", f"{TAG}: write assert: '!request.x == 1'"),
    "not, of a call": ("assert: !has(request.x)\n", f"{TAG}: write assert: '!has(request.x)'"),
    "not, twice": ("assert: !a || !b\n", f"{TAG}: write assert: '!a || !b'"),
    "a choice": ('assert: x ? "a" : "b"\n', f'{COLON}: write assert: \'x ? "a" : "b"\''),
    "a list at the start": (
        "assert: [1].size() == 1\nb: 1\n",
        "in YAML a [ at the start opens a list: write assert: '[1].size() == 1'",
    ),
    "a map at the start": (
        'assert: {"a": 1}.size() == 1\n',
        "in YAML a { at the start opens a mapping: write assert: '{\"a\": 1}.size() == 1'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_tells_how_to_quote_an_expression(name: str) -> None:
    text, advice = MISTAKES[name]
    assert fault(text).endswith(f"; {advice}")


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\n b: 2\n", "a: !!int 5\n", "a: |x\n  b\n", "a: b\n- c\n"])
def test_has_no_advice_where_nothing_is_known(text: str) -> None:
    assert QUOTE not in fault(text)
    assert TAG not in fault(text)


def test_what_it_advises_can_be_read() -> None:
    for text, _ in MISTAKES.values():
        advice = fault(text).partition(": write ")[2]
        if advice and ">-" not in advice:
            (document,) = load_documents(advice, "f.yaml")
            assert list(document.value.values()) == [advice.partition(": ")[2][1:-1]]


def test_hides_secrets_of_the_value() -> None:
    text = 'url: "x" https://storage.yandexcloud.net/b/k?X-Amz-Signature=5f5c\n'
    assert "5f5c" not in fault(text)
