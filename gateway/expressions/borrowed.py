"""Human-readable descriptions of CEL functions that policies often need."""

from __future__ import annotations

BORROWED = (
    (
        "text.matches(pattern)",
        "whether an RE2 pattern matches some part of the text",
        '"db-1".matches("-[0-9]$")',
    ),
    ("list.join(text)", "the texts of a list, the given one between them", '["a", "b"].join(", ") == "a, b"'),
    ("text.format(list)", "the text with the values put in", '"%s has %d".format(["a", 2]) == "a has 2"'),
    ("text.split(text)", "the parts of the text", '"a/b".split("/") == ["a", "b"]'),
    ("text.replace(old, new)", "the text with parts replaced", '"a.b".replace(".", "-") == "a-b"'),
    ("text.substring(start, end)", "a part of the text", '"golden".substring(0, 4) == "gold"'),
    ("text.lowerAscii()", "the text in lower case; `upperAscii()` in upper case", '"A".lowerAscii() == "a"'),
    ("text.trim()", "the text without white space around it", '" a ".trim() == "a"'),
    ("list.sort()", "the elements in ascending order", '["b", "a"].sort() == ["a", "b"]'),
    ("list.distinct()", "the elements without repetitions", '["a", "b", "a"].distinct() == ["a", "b"]'),
    ("list.slice(start, end)", "a part of the list", '["a", "b", "c"].slice(0, 2) == ["a", "b"]'),
    ("list.flatten()", "the elements of the list's lists", '[["a"], ["b"]].flatten() == ["a", "b"]'),
    ("list.reverse()", "the elements from the last to the first", '["a", "b"].reverse() == ["b", "a"]'),
    (
        "sets.contains(list, other)",
        "whether every element of the other list is in the list; also `sets.equivalent`, `sets.intersects`",
        'sets.contains(["a", "b"], ["b"])',
    ),
    (
        "list.all(index, element, test)",
        (
            "a loop with two variables: index and element of a list, key and value of a map; also `exists`, "
            "`existsOne`"
        ),
        '{"env": "prod"}.all(key, value, key != "" && value != "")',
    ),
    (
        "map.transformList(key, value, result)",
        (
            "a list with one result for each entry, sorted by key. With four arguments, the third is a "
            "condition; other entries are skipped"
        ),
        '{"b": "2", "a": "1"}.transformList(key, value, key + value) == ["a1", "b2"]',
    ),
    (
        "map[?key].orValue(other)",
        (
            "the value of a key, or the other value where there is no such key; also `list[?index]`, "
            "`message.?field`, `hasValue()`, `or`, `optional.of`, `optional.none`"
        ),
        '{"a": "1"}[?"b"].orValue("none") == "none"',
    ),
    (
        "math.greatest(numbers…)",
        "the greatest number; also `least`, `abs`, `ceil`, `floor`, `round`, `sign`",
        "math.greatest(1, 3, 2) == 3",
    ),
    (
        "base64.encode(bytes)",
        "the bytes in base64; `base64.decode(text)` reads it",
        'base64.encode(b"a") == "YQ=="',
    ),
)
"""Functions and macros of CEL and of its extensions that policies often need.

Each item has three parts: a call, the meaning of the call, and an example. The example
is an expression that is true.
"""
