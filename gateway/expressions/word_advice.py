"""Advice on operators and words of other languages in an expression that cannot be parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class WordAdvice:
    """The advice on a word, and the position of the word. Line and column start at 1."""

    line: int
    column: int
    message: str


# Texts and comments match the group `passed` and are skipped. In the group `sign`, a longer operator comes
# before its prefixes.
_TOKEN = re.compile(
    r"""(?P<passed>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|//[^\n]*)"""
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>===|!==|=~|!~|<>|==|!=|<=|>=|&&|\|\||[=&|;#\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb])",
    re.DOTALL,
)
_SIGNS = {
    "=": "to compare, write == instead of =",
    "===": "to compare, write == instead of ===",
    "!==": "to compare, write != instead of !==",
    "<>": "to compare, write != instead of <>",
    "=~": "to match a pattern, write text.matches(pattern) instead of =~",
    "!~": "to match a pattern, write !text.matches(pattern) instead of !~",
    "&": "write && instead of &",
    "|": "write || instead of |",
    ";": "an expression has no ; at its end",
    "#": "a comment in an expression starts with //",
} | {
    quote: f"a text has straight quotes, \" or ', instead of {quote}"
    for quote in "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
}
_WORDS = {
    "and": "write && instead of and",
    "or": "write || instead of or",
    "not": "write ! instead of not, as !(condition)",
    "is": "to compare, write == instead of is",
    "like": "write text.contains(part), text.startsWith(part) or text.matches(pattern) instead of like",
    "if": "write condition ? value : other instead of if",
    "then": "write condition ? value : other instead of if … then … else",
    "else": "write condition ? value : other instead of else",
}


def find_word_advice(text: str) -> WordAdvice | None:
    """Return advice on the first word or operator of another language in an expression.

    Return None if the expression has no such word or operator.
    """
    tokens = list(_tokens(text))
    for index, (kind, word, start) in enumerate(tokens):
        message = (_SIGNS if kind == "sign" else _WORDS).get(word.casefold())
        if message is None or (kind == "word" and _is_name(text, start, word)):
            continue
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if (word.casefold(), following) == ("not", "in"):
            message = "write !(value in list) instead of value not in list"
        before = text[:start]
        return WordAdvice(before.count("\n") + 1, len(before) - before.rfind("\n"), message)
    return None


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "passed":
            yield str(match.lastgroup), match[0], match.start()


def _is_name(text: str, start: int, word: str) -> bool:
    """Return whether a word is the name of a field or a function, as in `request.is` or `like(…)`."""
    return text[:start].rstrip().endswith(".") or (
        text[start + len(word) :].startswith("(") and word.casefold() not in {"not", "and", "or"}
    )
