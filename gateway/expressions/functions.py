"""Functions that policies have beside those of CEL.

Each is total: for any argument it returns or raises, it never hangs. What it is
for, and an example that is run as a test, stand beside it in the table, which
docs/policies.md shows.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from cel_expr_python import cel
from semver import Version

from gateway.source import DEFAULT_HOSTS, Hosts, LinkError, parse_link

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from gateway.expressions.patterns import Patterns

LINK_TYPE = "baremetal_gateway.v1.ObjectStorageLink"
FIND = "@find"
"""What CEL's own `matches` becomes: a name that no author can write."""

_TEXT, _TRUTH, _INT = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT
_TEXTS, _LABELS = cel.Type.List(cel.Type.STRING), cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_MAX_VERSION = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What the functions work with.

    Attributes:
        link_class: class of LINK_TYPE in the pool that expressions are checked against.
        patterns: of the bundle.
        hosts: names of Object Storage.
    """

    link_class: type[Message]
    patterns: Patterns
    hosts: Hosts = DEFAULT_HOSTS


Make: TypeAlias = "Callable[[Toolbox], Callable[..., Any]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the gateway's own.

    Attributes:
        name: as expressions call it.
        form: a call of it, for people.
        gives: what it gives, a sentence.
        examples: expressions that are true.
        overloads: name, parameters, result and implementation of each form.
        is_member: it is called on its first parameter.
    """

    name: str
    form: str
    gives: str
    examples: tuple[str, ...]
    overloads: tuple[tuple[str, list[cel.Type], cel.Type, Make], ...]
    is_member: bool = True

    def declare(self, tools: Toolbox) -> cel.FunctionDecl:
        """Return the declaration that the engine takes."""
        overloads = [
            cel.Overload(name, returns, parameters, self.is_member, make(tools))
            for name, parameters, returns, make in self.overloads
        ]
        return cel.FunctionDecl(self.name, overloads)


def declare_functions(tools: Toolbox) -> list[cel.FunctionDecl]:
    """Return the declarations with their implementations."""
    find = cel.Overload(
        id="find_string_string",
        return_type=_TRUTH,
        parameters=[_TEXT, _TEXT],
        is_member=True,
        impl=tools.patterns.find,
    )
    return [*(function.declare(tools) for function in FUNCTIONS), cel.FunctionDecl(FIND, [find])]


def in_cidr(address: str, network: str) -> bool:
    """Tell whether an IP address lies in a network.

    Raises:
        ValueError: the one is no address, or the other no network.
    """
    return ipaddress.ip_address(address) in _network(network)


def in_any_cidr(address: str, networks: list[str]) -> bool:
    """Tell whether an IP address lies in any of several networks; see in_cidr."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in _network(network) for network in networks)


@lru_cache(maxsize=16384)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def is_version(text: str) -> bool:
    """Tell whether a text is a semantic version, https://semver.org/."""
    return len(text) <= _MAX_VERSION and Version.is_valid(text)


def compare_versions(left: str, right: str) -> int:
    """Return -1, 0 or 1 as the left version comes before the right one, is equal to it, or comes after.

    Raises:
        ValueError: one of them is no semantic version.
    """
    return _version(left).compare(_version(right))


def _version(text: str) -> Version:
    if len(text) > _MAX_VERSION:
        raise ValueError(f"a version has at most {_MAX_VERSION} characters")
    return Version.parse(text)


def missing_labels(labels: dict[str, str], required: list[str]) -> list[str]:
    """Return the required keys that are absent or have an empty value, in their order."""
    return [key for key in required if not labels.get(key)]


def unknown_labels(labels: dict[str, str], known: list[str]) -> list[str]:
    """Return the keys that are not among the known ones, sorted."""
    return sorted(labels.keys() - set(known))


def _reads_link(tools: Toolbox) -> Callable[[str], Message]:
    link_class, hosts = tools.link_class, tools.hosts

    def object_storage(uri: str) -> Message:
        try:
            link = parse_link(uri, hosts)
        except LinkError as error:
            return link_class(problem=str(error))
        return link_class(
            scheme=link.scheme,
            host=link.host,
            bucket=link.bucket,
            key=link.key,
            extension=link.extension,
            style=link.style,
            presigned=link.presigned,
            expires=link.expires,
        )

    return object_storage


FUNCTIONS = (
    Function(
        name="objectStorage",
        form="objectStorage(text)",
        gives="what a link to Object Storage says: `scheme`, `host`, `bucket`, `key`, `extension`, `style` "
        "(`path`, `virtual-hosted` or `website`), `presigned`, `expires`. For anything else, and for a link "
        "that two readers could take for two things, `problem` says why and every other field is empty, so "
        "rules that ask for something fail. A rule that forbids something (`bucket != …`) has to ask for "
        '`problem == ""` too',
        examples=(
            'objectStorage("https://storage.yandexcloud.net/golden/a.iso").bucket == "golden"',
            'objectStorage("https://golden.storage.yandexcloud.net/b/a.ISO").extension == "iso"',
            'objectStorage("https://example.com/a.iso").problem != ""',
        ),
        overloads=(("object_storage_string", [_TEXT], cel.Type(LINK_TYPE), _reads_link),),
        is_member=False,
    ),
    Function(
        name="fullMatch",
        form="text.fullMatch(pattern)",
        gives="whether an RE2 pattern matches all of the text",
        examples=('"db-1".fullMatch("[a-z]+-[0-9]")', '!"db-12".fullMatch("[a-z]+-[0-9]")'),
        overloads=(
            (
                "string_full_match_string",
                [_TEXT, _TEXT],
                _TRUTH,
                lambda tools: tools.patterns.full_match,
            ),
        ),
    ),
    Function(
        name="glob",
        form="text.glob(pattern)",
        gives="whether a glob matches all of the text: `*` stands for any characters but `/`, `**` for any, "
        "`?` for one other than `/`",
        examples=(
            '"iso/ubuntu.iso".glob("iso/*.iso")',
            '!"iso/old/ubuntu.iso".glob("iso/*.iso")',
            '"iso/old/ubuntu.iso".glob("iso/**.iso")',
        ),
        overloads=(("string_glob_string", [_TEXT, _TEXT], _TRUTH, lambda tools: tools.patterns.glob),),
    ),
    Function(
        name="inCidr",
        form="text.inCidr(networks)",
        gives="whether an IP address lies in a network, or in any of a list of them",
        examples=(
            '"10.1.2.3".inCidr("10.0.0.0/8")',
            '!"192.0.2.1".inCidr(["10.0.0.0/8", "2001:db8::/32"])',
        ),
        overloads=(
            ("string_in_cidr_string", [_TEXT, _TEXT], _TRUTH, lambda _: in_cidr),
            ("string_in_cidr_list", [_TEXT, _TEXTS], _TRUTH, lambda _: in_any_cidr),
        ),
    ),
    Function(
        name="isVersion",
        form="text.isVersion()",
        gives="whether the text is a [semantic version](https://semver.org)",
        examples=('"1.4.0-rc.1".isVersion()', '!"24.04".isVersion()'),
        overloads=(("string_is_version", [_TEXT], _TRUTH, lambda _: is_version),),
    ),
    Function(
        name="compareVersion",
        form="text.compareVersion(other)",
        gives="-1, 0 or 1 as one semantic version comes before another, is equal to it, or comes after",
        examples=('"1.10.0".compareVersion("1.9.3") > 0', '"1.0.0-rc.1".compareVersion("1.0.0") == -1'),
        overloads=(("string_compare_version", [_TEXT, _TEXT], _INT, lambda _: compare_versions),),
    ),
    Function(
        name="missing",
        form="labels.missing(keys)",
        gives="those of the keys that are not among the labels, or have an empty value",
        examples=('{"env": "prod", "owner": ""}.missing(["env", "owner", "team"]) == ["owner", "team"]',),
        overloads=(("map_missing_list", [_LABELS, _TEXTS], _TEXTS, lambda _: missing_labels),),
    ),
    Function(
        name="unknown",
        form="labels.unknown(keys)",
        gives="the labels' keys that are not among the keys, sorted",
        examples=('{"env": "prod", "tmp": "x", "a": ""}.unknown(["env", "owner"]) == ["a", "tmp"]',),
        overloads=(("map_unknown_list", [_LABELS, _TEXTS], _TEXTS, lambda _: unknown_labels),),
    ),
)

OWN_NAMES = frozenset({FIND, *(function.name for function in FUNCTIONS)})

PATTERN_KINDS = {"matches": "regex", "fullMatch": "regex", "glob": "glob"}
"""Functions whose argument is a pattern: it has to be known when the bundle is loaded."""

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
)
"""What CEL and its strings extension have and policies often need: form, meaning, an example that is true."""
