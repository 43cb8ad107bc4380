"""YAML by the core schema of YAML 1.2, and its faults."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gateway.documents import load_documents
from gateway.faults import FaultsError, Position


def load(text: str) -> Any:
    (document,) = load_documents(text, "f.yaml")
    return document.value


def faults(text: str) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        load_documents(text, "f.yaml")
    return [str(fault) for fault in caught.value.faults]


SCALARS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nUll": "nUll",
    "true": True, "True": True, "TRUE": True, "false": False,
    "False": False, "FALSE": False, "tRue": "tRue",
    "no": "no", "yes": "yes", "on": "on", "Off": "Off", "y": "y",
    "0": 0, "1": 1, "-1": -1, "+12": 12, "0123": 123, "0o17": 15, "0x1F": 31,
    "-0x1F": "-0x1F", "0b1": "0b1",
    "1_000": "1_000", "１": "１", "12:30:45": "12:30:45", "0o8": "0o8",
    "1.5": 1.5, "-1.": -1.0, ".5": 0.5, "1e3": 1000.0, "+1.5E-1": 0.15, "1e": "1e", "1.5.2": "1.5.2",
    ".": ".",
    ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf, "-.inf": -math.inf, "+.Inf": math.inf,
    ".iNf": ".iNf", "inf": "inf", "nan": "nan",
    "2026-12-31": "2026-12-31", "2026-12-31T00:00:00Z": "2026-12-31T00:00:00Z",
    "'1'": "1", '"true"': "true", "''": "", '"a\\nb"': "a\nb", "!!str 5": "5", "!!str": "",
    "|\n  5": "5", ">\n  a\n  b": "a b",
    "a b # c": "a b", "=": "=", "127.0.0.1:8080": "127.0.0.1:8080", "!": "",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars(text: str, value: Any) -> None:
    found = load(f"a: {text}")["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    assert math.isnan(load(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: [1, {b: x}], c: {}}", {"a": [1, {"b": "x"}], "c": {}}),
        ("1: a\ntrue: b\nno: c", {"1": "a", "true": "b", "no": "c"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("\ufeffa: 1", {"a": 1}),
        ("---\n", None),
        ("!!map {a: !!seq [1]}", {"a": [1]}),
    ],
)
def test_collections(text: str, value: Any) -> None:
    assert load(text) == value


def test_several_documents() -> None:
    documents = load_documents("a: 1\n---\nb: 2\n---\n", "f.yaml")
    assert [one.value for one in documents] == [{"a": 1}, {"b": 2}, None]
    assert documents[1].position(("b",)) == Position("f.yaml", 3, 1)
    assert load_documents("", "f.yaml") == []


FAULTS: dict[str, tuple[str, list[str]]] = {
    "no YAML": ("a: [1", ["f.yaml:2:1: not valid YAML: did not find expected ',' or ']'"]),
    "second line": (
        "a: 1\n b: 2",
        ["f.yaml:2:3: not valid YAML: mapping values are not allowed in this context"],
    ),
    "undefined alias": (
        "a: *x",
        [
            (
                "f.yaml:1:4: not valid YAML: found undefined alias; in YAML a * at the start has a special "
                "meaning: write a: '*x'"
            )
        ],
    ),
    "NUL": (
        "a: \0",
        ["f.yaml: not valid YAML: unacceptable character #x0000: control characters are not allowed"],
    ),
    "duplicate": ("a:\n  b: 1\n  b: 2", ["f.yaml:3:3: a.b: is given twice; keep one"]),
    "duplicate in quotes": ("a: 1\n'a': 2", ["f.yaml:2:1: a: is given twice; keep one"]),
    "key that is a list": ("? [a]\n: 1", ["f.yaml:1:3: a key is plain text here"]),
    "key with a tag": ("x: {!!int 1: a}", ["f.yaml:1:5: x: a key is plain text here"]),
    "tag": ("a: !!int 5", ["f.yaml:1:4: a: the tag tag:yaml.org,2002:int has no meaning here"]),
    "tag of a map": ("a: !x {b: 1}", ["f.yaml:1:4: a: the tag !x has no meaning here"]),
    "tag of a list": ("- !!set [b]", ["f.yaml:1:3: [0]: the tag tag:yaml.org,2002:set has no meaning here"]),
    "tag that makes objects": (
        "!!python/object/apply:os.system [id]",
        ["f.yaml:1:1: the tag tag:yaml.org,2002:python/object/apply:os.system has no meaning here"],
    ),
    "number of many digits": (f"a: {'9' * 5000}", ["f.yaml:1:4: a: a number has at most 400 digits"]),
    "all at once": (
        "a: !x 1\nb: 1\nb: 2\nc: [!y 1]",
        [
            (
                "f.yaml:1:4: a: the tag !x has no meaning here; "
                "in YAML a ! at the start is a tag: write a: '!x 1'"
            ),
            "f.yaml:3:1: b: is given twice; keep one",
            "f.yaml:4:5: c[0]: the tag !y has no meaning here; put a value that starts with ! in quotes",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), FAULTS.values(), ids=FAULTS)
def test_faults(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_text_that_no_encoding_has() -> None:
    (fault,) = faults("a: \udcff")
    assert fault.startswith("f.yaml: not valid YAML: ")


_BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
)
TOO_LARGE = {
    "anchors": _BOMB,
    "alias of itself": "&a [*a]",
    "alias of itself in a map": "&a {b: *a}",
    "65 levels": "[" * 65 + "]" * 65,
    "100,000 levels": "[" * 100_000,
    "100,000 maps": "{a: " * 100_000,
    "100,000 dashes": "- " * 100_000,
}


@pytest.mark.parametrize("text", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_grows_is_refused(text: str) -> None:
    """Without the bound this would not end: aliases of aliases stand for 10^10 values."""
    (fault,) = faults(text)
    assert "too large: over 64 levels or 200000 values" in fault


def test_64_levels_are_read() -> None:
    load("[" * 64 + "]" * 64)
