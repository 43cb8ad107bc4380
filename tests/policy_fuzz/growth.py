"""Random trees of a given kind, from words that meet each other often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.policy_fuzz.tree import Kind, Tree

WORDS = ("", "a", "ab", "b", "env", "prod", "ё", "Ёж", "a😀b", "日本", "x-1")
KEYS = ("a", "env", "owner", "ё", "x-1")
SELECTABLE = ("a", "env", "owner")
PATTERNS = ("^a", "b$", "[a-z]+-[0-9]", "^$", "ё", "^[^a-z]+$", "a.b", "(a+)+$")
FIELDS = ("folder_id", "name", "description", "uri")
GLOBS = ("*", "a*", "**b", "?-[0-9]", "*-?", "ё?")
ADDRESSES = ("10.1.2.3", "192.0.2.1", "2001:db8::1", "10.1.2", "")
NETWORKS = ("10.0.0.0/8", "2001:db8::/32", "10.0.0.1/8")
NUMBERS = (0, 1, 2, 3, -1, -2, 7, 2**62, 2**63 - 1, -(2**63))
_ORDERED: tuple[Kind, ...] = ("int", "text")
_ELEMENTS: dict[Kind, Kind] = {"texts": "text", "bag": "text", "map": "text", "ints": "int"}
_LISTS: tuple[Kind, ...] = ("texts", "ints")
_COLLECTIONS: tuple[Kind, ...] = ("texts", "ints", "bag", "map")
_SHADOW_SHARE = 0.04

Names = Mapping[str, Kind]


class Grower:
    """Grows trees that may name some parameters and variables."""

    def __init__(self, random: Random, parameters: Names, variables: Names) -> None:
        self._random = random
        self._parameters = parameters
        self._variables = dict(variables)
        self._locals: dict[str, Kind] = {}
        self._loops = 0

    def declare(self, name: str, kind: Kind) -> None:
        """Add a variable for the trees grown from now on."""
        self._variables[name] = kind

    def grow(self, kind: Kind, depth: int) -> Tree:
        """Return a tree of at most so many levels, names counting as none."""
        choices = self._inner(kind) if depth > 0 else []
        if not choices or self._random.random() < _LEAF_SHARE.get(kind, 0.3):
            return self._random.choice(self._leaves(kind))()
        return self._random.choice(choices)(depth - 1)

    def grow_condition(self, depth: int) -> Tree:
        """Return a condition; often a loop, whose early end has misled the engine before."""
        return self._loop(depth) if self._random.random() < 0.4 else self.grow("bool", depth)

    def _leaves(self, kind: Kind) -> list[Callable[[], Tree]]:
        named = [
            *[("parameter", name) for name, its in self._parameters.items() if its == kind],
            *[("variable", name) for name, its in self._visible().items() if its == kind],
            *[("local", name) for name, its in self._locals.items() if its == kind] * 3,
        ]
        found: list[Callable[[], Tree]] = [
            lambda one=one: Tree(one[0], kind, (), one[1])  # type: ignore[misc]
            for one in named
        ]
        return [*found, *self._own_leaves(kind)]

    def _visible(self) -> dict[str, Kind]:
        return {name: kind for name, kind in self._variables.items() if name not in self._locals}

    def _own_leaves(self, kind: Kind) -> list[Callable[[], Tree]]:
        leaves: dict[Kind, list[Callable[[], Tree]]] = {
            "bool": [self._has_label, self._has_field],
            "int": [self._number],
            "text": [self._word, self._field, self._field, self._other_text],
            "texts": [self._literals, lambda: Tree("groups", "texts")],
            "ints": [self._literals_of_int],
            "bag": [self._keys],
            "map": [lambda: Tree("labels", "map")],
        }
        return leaves[kind]

    def _has_label(self) -> Tree:
        return Tree("has", "bool", (self._map(),), self._random.choice(SELECTABLE))

    def _has_field(self) -> Tree:
        return Tree("has_field", "bool", (), self._random.choice(FIELDS))

    def _number(self) -> Tree:
        return Tree("literal", "int", (), self._random.choice(NUMBERS))

    def _word(self) -> Tree:
        return Tree("literal", "text", (), self._random.choice(WORDS))

    def _field(self) -> Tree:
        return Tree("field", "text", (), self._random.choice(FIELDS))

    def _keys(self) -> Tree:
        """Return all keys of the labels."""
        return Tree("filter", "bag", (Tree("labels", "map"), Tree("literal", "bool", (), value=True)), "k")

    def _other_text(self) -> Tree:
        return Tree(self._random.choice(("method", "caller")), "text")

    def _map(self) -> Tree:
        return self._random.choice(self._leaves("map"))()

    def _literals(self) -> Tree:
        count = self._random.randint(1, 3)
        words = tuple(Tree("literal", "text", (), self._random.choice(WORDS)) for _ in range(count))
        return Tree("list", "texts", words)

    def _literals_of_int(self) -> Tree:
        count = self._random.randint(1, 3)
        numbers = tuple(Tree("literal", "int", (), self._random.choice(NUMBERS[:7])) for _ in range(count))
        return Tree("list", "ints", numbers)

    def _inner(self, kind: Kind) -> list[Callable[[int], Tree]]:
        inner: dict[Kind, list[Callable[[int], Tree]]] = {
            "bool": self._conditions(),
            "int": [
                *[self._arithmetic, self._size] * 2,
                self._choice_of("int"),
                self._index_of("int"),
                self._negation,
            ],
            "text": [
                *[self._lookup] * 2,
                self._sum_of("text"),
                self._choice_of("text"),
                self._index_of("text"),
            ],
            "texts": [
                self._list_of("texts"),
                self._sum_of("texts"),
                self._choice_of("texts"),
                self._filter_of("texts"),
                self._map_of("texts"),
                self._key_test,
            ],
            "ints": [self._list_of("ints"), self._filter_of("ints"), self._map_of("ints")],
            "bag": [self._filter_of("bag"), self._map_of("bag")],
        }
        return inner.get(kind, [])

    def _conditions(self) -> list[Callable[[int], Tree]]:
        joined = [self._join, self._join, self._join, self._not]
        compared = [self._equality, self._equality, self._order, self._order, self._membership]
        texts = [self._text_test, self._text_test, self._match, self._match, self._glob, self._in_network]
        return [*joined, *compared, *texts, self._loop, self._loop, self._choice_of("bool")]

    def _join(self, depth: int) -> Tree:
        parts = (self.grow("bool", depth), self.grow("bool", depth))
        return Tree(self._random.choice(("&&", "||")), "bool", parts)

    def _not(self, depth: int) -> Tree:
        return Tree("!", "bool", (self.grow("bool", depth),))

    def _equality(self, depth: int) -> Tree:
        kinds: tuple[Kind, ...] = ("text", "text", "int", "int", "bool", "texts", "ints", "map")
        kind = self._random.choice(kinds)
        parts = (self.grow(kind, depth), self.grow(kind, depth))
        return Tree(self._random.choice(("==", "!=")), "bool", parts)

    def _order(self, depth: int) -> Tree:
        kind = self._random.choice(_ORDERED)
        parts = (self.grow(kind, depth), self.grow(kind, depth))
        return Tree(self._random.choice(("<", "<=", ">", ">=")), "bool", parts)

    def _membership(self, depth: int) -> Tree:
        whole = self._random.choice(_COLLECTIONS)
        return Tree("in", "bool", (self.grow(_ELEMENTS[whole], depth), self.grow(whole, depth)))

    def _text_test(self, depth: int) -> Tree:
        parts = (self.grow("text", depth), self.grow("text", min(depth, 1)))
        return Tree(self._random.choice(("startsWith", "endsWith", "contains")), "bool", parts)

    def _match(self, depth: int) -> Tree:
        pattern = Tree("literal", "text", (), self._random.choice(PATTERNS))
        words = [name for name, kind in self._parameters.items() if kind == "text"]
        if words and self._random.random() < 0.3:
            pattern = Tree("parameter", "text", (), self._random.choice(words))
        return Tree("matches", "bool", (self.grow("text", depth), pattern))

    def _glob(self, depth: int) -> Tree:
        pattern = Tree("literal", "text", (), self._random.choice(GLOBS))
        return Tree("glob", "bool", (self.grow("text", depth), pattern))

    def _in_network(self, depth: int) -> Tree:
        address = Tree("literal", "text", (), self._random.choice(ADDRESSES))
        if self._random.random() < 0.3:
            address = self.grow("text", depth)
        network = Tree("literal", "text", (), self._random.choice(NETWORKS))
        return Tree("inCidr", "bool", (address, network))

    def _key_test(self, _depth: int) -> Tree:
        """Return the keys that a map lacks, or has beyond those of a list; in a loop of its element."""
        keys = self._random.choice(self._constant_texts())()
        return Tree(self._random.choice(("missing", "unknown")), "texts", (self._map(), keys))

    def _constant_texts(self) -> list[Callable[[], Tree]]:
        named: list[Callable[[], Tree]] = [
            lambda name=name: Tree("parameter", "texts", (), name)  # type: ignore[misc]
            for name, kind in self._parameters.items()
            if kind == "texts"
        ]
        names = [name for name, kind in self._locals.items() if kind == "text"]
        of_turn = [lambda: Tree("list", "texts", (Tree("local", "text", (), self._random.choice(names)),))]
        return [*named, self._literals, *(of_turn if names else [])]

    def _loop(self, depth: int) -> Tree:
        operator = self._random.choice(("all", "all", "exists", "exists", "exists_one"))
        return self._looped(operator, "bool", self._random.choice(_COLLECTIONS), "bool", depth)

    def _looped(self, operator: str, kind: Kind, over: Kind, body: Kind, depth: int) -> Tree:
        whole = self.grow(over, depth)
        name = self._fresh_name()
        outer = self._locals
        self._locals = {**outer, name: _ELEMENTS[over]}
        inner = self.grow(body, depth)
        self._locals = outer
        return Tree(operator, kind, (whole, inner), name)

    def _fresh_name(self) -> str:
        """Return a name for the element of a loop; now and then one that hides a variable."""
        if self._variables and self._random.random() < _SHADOW_SHARE:
            return self._random.choice(sorted(self._variables))
        self._loops += 1
        return f"x{self._loops}"

    def _arithmetic(self, depth: int) -> Tree:
        parts = (self.grow("int", depth), self.grow("int", depth))
        return Tree(self._random.choice(("+", "-", "*", "/", "%")), "int", parts)

    def _negation(self, depth: int) -> Tree:
        return Tree("negate", "int", (self.grow("int", depth),))

    def _size(self, depth: int) -> Tree:
        kinds: tuple[Kind, ...] = ("text", "text", *_COLLECTIONS)
        return Tree("size", "int", (self.grow(self._random.choice(kinds), depth),))

    def _lookup(self, depth: int) -> Tree:
        if self._random.random() < 0.3:
            return Tree("select", "text", (self._map(),), self._random.choice(SELECTABLE))
        return Tree("index", "text", (self._map(), self._key(depth)))

    def _key(self, depth: int) -> Tree:
        keys = [name for name, kind in self._locals.items() if kind == "text"]
        if keys and self._random.random() < 0.6:
            return Tree("local", "text", (), self._random.choice(keys))
        if self._random.random() < 0.7:
            return Tree("literal", "text", (), self._random.choice(KEYS))
        return self.grow("text", depth)

    def _index_of(self, kind: Kind) -> Callable[[int], Tree]:
        whole: Kind = "ints" if kind == "int" else "texts"
        return lambda depth: Tree("index", kind, (self.grow(whole, depth), self._small(depth)))

    def _small(self, depth: int) -> Tree:
        if self._random.random() < 0.7:
            return Tree("literal", "int", (), self._random.choice((0, 0, 0, 1, 2, -1)))
        return self.grow("int", depth)

    def _choice_of(self, kind: Kind) -> Callable[[int], Tree]:
        return lambda depth: Tree(
            "?", kind, (self.grow("bool", depth), self.grow(kind, depth), self.grow(kind, depth))
        )

    def _sum_of(self, kind: Kind) -> Callable[[int], Tree]:
        return lambda depth: Tree("+", kind, (self.grow(kind, depth), self.grow(kind, depth)))

    def _list_of(self, kind: Kind) -> Callable[[int], Tree]:
        return lambda depth: Tree(
            "list",
            kind,
            tuple(self.grow(_ELEMENTS[kind], depth) for _ in range(self._random.randint(1, 3))),
        )

    def _filter_of(self, kind: Kind) -> Callable[[int], Tree]:
        over: Kind = "map" if kind == "bag" and self._random.random() < 0.7 else kind
        return lambda depth: self._looped("filter", kind, over, "bool", depth)

    def _map_of(self, kind: Kind) -> Callable[[int], Tree]:
        over: Kind = "map" if kind == "bag" else self._random.choice(_LISTS)
        return lambda depth: self._looped("map", kind, over, _ELEMENTS[kind], depth)


_LEAF_SHARE: dict[Kind, float] = {
    "bool": 0.06,
    "int": 0.4,
    "text": 0.45,
    "texts": 0.5,
    "ints": 0.5,
    "map": 1.0,
}
