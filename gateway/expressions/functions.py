"""Functions that policies have in addition to the functions of CEL.

The gateway computes these functions outside of the engine, because the engine never
releases the arguments that it passes to a Python function (see calls.py). If an
argument depends on a loop, the gateway can only compute the function if this argument is a
text. So a function that has list or map arguments also has a definition in CEL. The
definition is used when a list or map argument depends on a loop.

For any argument, a function returns a result or raises an error. It never hangs.
`FUNCTIONS` contains a description and examples of each function. The examples are run as
tests.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from cel_expr_python import cel
from semver import Version

from gateway.expressions.input_limits import InputLimits
from gateway.expressions.link_value import LinkValue
from gateway.object_storage import DEFAULT_HOSTS, Hosts, LinkError, split_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from gateway.expressions.patterns import Patterns

LINK_TYPE = "baremetal_gateway.v1.ObjectStorageLink"
TABLE_TYPE = "baremetal_gateway.v1.Table"
_TEXT, _TRUTH, _INT = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT
_TEXTS, _LABELS = cel.Type.List(cel.Type.STRING), cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_MAX_VERSION = 256
_FEW = 16  # a search in so many texts takes less time than to make a set of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The dependencies of the functions.

    Attributes:
        link_class: the class of the message type LINK_TYPE. The class belongs to the descriptor pool that
            expressions are checked against.
        patterns: the patterns of the bundle.
        hosts: the host names of Object Storage.
        limits: the limits on the inputs of expressions.
    """

    link_class: type[Message]
    patterns: Patterns
    hosts: Hosts = DEFAULT_HOSTS
    limits: InputLimits = InputLimits()  # noqa: RUF009 - it is immutable


Implement: TypeAlias = "Callable[[Toolbox], Callable[..., Any]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """One overload of a function.

    Attributes:
        id: the ID of the overload, unique among all functions.
        parameters: the types of the parameters, keyed by name. The order is the order in a call.
        returns: the type of the result.
        compute: a function that takes the Toolbox and returns the Python implementation of the overload.
        definition: a CEL expression over the parameters that returns the same result; None if the
            overload has no list or map parameter. The definition evaluates each argument at least once. So
            the call fails if the evaluation of an argument fails.
    """

    id: str
    parameters: Mapping[str, cel.Type]
    returns: cel.Type
    compute: Implement
    definition: str | None = None

    @property
    def others(self) -> list[int]:
        """The positions of the parameters that are not texts."""
        return [index for index, kind in enumerate(self.parameters.values()) if kind != _TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that the gateway adds to CEL.

    Attributes:
        name: the name that expressions use.
        form: a call of the function, as human-readable text.
        gives: a description of the result, as human-readable text.
        examples: expressions that call the function. Each expression evaluates to true.
        overloads: the overloads of the function.
        is_member: whether the function is called on its first parameter, as in `text.glob(pattern)`.
    """

    name: str
    form: str
    gives: str
    examples: tuple[str, ...]
    overloads: tuple[Overload, ...]
    is_member: bool = True

    def declare(self) -> cel.FunctionDecl:
        """Return the declaration for the type checker. The engine never calls the function."""
        overloads = [
            cel.Overload(one.id, one.returns, list(one.parameters.values()), self.is_member)
            for one in self.overloads
        ]
        return cel.FunctionDecl(self.name, overloads)


def declare_functions() -> list[cel.FunctionDecl]:
    """Return the declarations of all functions."""
    return [function.declare() for function in FUNCTIONS]


def in_cidr(address: str, network: str) -> bool:
    """Return whether an IP address is in a network.

    Raises:
        ValueError: the address or the network is not valid.
    """
    return ipaddress.ip_address(address) in _network(network)


def in_any_cidr(address: str, networks: Sequence[str]) -> bool:
    """Return whether an IP address is in any of several networks. All networks have to be valid.

    Raises:
        ValueError: the address or one of the networks is not valid.
    """
    parsed = ipaddress.ip_address(address)
    parsed_networks = [_network(network) for network in networks]  # fails if any network is invalid
    return any(parsed in network for network in parsed_networks)


def in_either_cidr(address: str, networks: str | Sequence[str]) -> bool:
    """Return whether an IP address is in a network, or in any of several networks (see in_cidr)."""
    return in_cidr(address, networks) if isinstance(networks, str) else in_any_cidr(address, networks)


@lru_cache(maxsize=16384)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def is_version(text: str) -> bool:
    """Return whether a text is a semantic version (see https://semver.org/)."""
    return len(text) <= _MAX_VERSION and Version.is_valid(text)


def compare_versions(left: str, right: str) -> int:
    """Return -1 if the left version is lower than the right version, 0 if both are equal, 1 if it is higher.

    Raises:
        ValueError: one of the texts is not a semantic version.
    """
    return _version(left).compare(_version(right))


def _version(text: str) -> Version:
    if len(text) > _MAX_VERSION:
        raise ValueError(f"a version has at most {_MAX_VERSION} characters")
    return Version.parse(text)


def missing_labels(labels: Mapping[str, str], required: Sequence[str]) -> list[str]:
    """Return the keys in `required` that `labels` does not contain or maps to an empty text.

    The order of the result is the order of `required`.
    """
    return [key for key in required if key not in labels or not labels[key]]


def unknown_labels(labels: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """Return the label keys that are not in `known`, sorted."""
    keys = known if len(known) <= _FEW else frozenset(known)
    return sorted([key for key in labels if key not in keys])


def _reads_link(tools: Toolbox) -> Callable[[str], LinkValue]:
    link_class, hosts = tools.link_class, tools.hosts

    def object_storage(uri: str) -> LinkValue:
        try:
            return LinkValue(link_class, split_link(uri, hosts))
        except LinkError as error:
            return LinkValue(link_class, None, str(error))

    return object_storage


def _of_texts(name: str, returns: cel.Type, compute: Implement) -> Overload:
    """Return an overload with two text parameters."""
    return Overload(id=name, parameters={"text": _TEXT, "other": _TEXT}, returns=returns, compute=compute)


FUNCTIONS = (
    Function(
        name="objectStorage",
        form="objectStorage(text)",
        gives="the parts of an Object Storage link: `scheme`, `host`, `bucket`, `key`, `extension`, `style` "
        "(`path`, `virtual-hosted` or `website`), `presigned`, `expires`. For other texts, and for "
        "an ambiguous link, `problem` contains the reason and all other fields are empty. So a rule that "
        'requires a value fails. A rule that forbids one (`bucket != …`) must also require `problem == ""`',
        examples=(
            'objectStorage("https://storage.yandexcloud.net/golden/a.iso").bucket == "golden"',
            'objectStorage("https://golden.storage.yandexcloud.net/b/a.ISO").extension == "iso"',
            'objectStorage("https://example.com/a.iso").problem != ""',
        ),
        overloads=(
            Overload(
                id="object_storage_string",
                parameters={"text": _TEXT},
                returns=cel.Type(LINK_TYPE),
                compute=_reads_link,
            ),
        ),
        is_member=False,
    ),
    Function(
        name="fullMatch",
        form="text.fullMatch(pattern)",
        gives="whether an RE2 pattern matches all of the text",
        examples=('"db-1".fullMatch("[a-z]+-[0-9]")', '!"db-12".fullMatch("[a-z]+-[0-9]")'),
        overloads=(_of_texts("string_full_match_string", _TRUTH, lambda tools: tools.patterns.full_match),),
    ),
    Function(
        name="glob",
        form="text.glob(pattern)",
        gives="whether a glob matches all of the text: `*` matches any characters except `/`, `**` for any, "
        "`?` for one other than `/`",
        examples=(
            '"iso/ubuntu.iso".glob("iso/*.iso")',
            '!"iso/old/ubuntu.iso".glob("iso/*.iso")',
            '"iso/old/ubuntu.iso".glob("iso/**.iso")',
        ),
        overloads=(_of_texts("string_glob_string", _TRUTH, lambda tools: tools.patterns.glob),),
    ),
    Function(
        name="inCidr",
        form="text.inCidr(networks)",
        gives="whether an IP address lies in a network, or in any of a list of them. A text that is no "
        "network is an error, also in a list with a network that the address lies in",
        examples=(
            '"10.1.2.3".inCidr("10.0.0.0/8")',
            '!"192.0.2.1".inCidr(["10.0.0.0/8", "2001:db8::/32"])',
        ),
        overloads=(
            _of_texts("string_in_cidr_string", _TRUTH, lambda _: in_cidr),
            Overload(
                id="string_in_cidr_list",
                parameters={"address": _TEXT, "networks": _TEXTS},
                returns=_TRUTH,
                compute=lambda _: in_any_cidr,
                definition="size(networks) > 0 ? size(networks.filter(network, address.inCidr(network))) > 0 "
                ": (address.inCidr('0.0.0.0/0') ? false : false)",
            ),
        ),
    ),
    Function(
        name="isVersion",
        form="text.isVersion()",
        gives="whether the text is a [semantic version](https://semver.org)",
        examples=('"1.4.0-rc.1".isVersion()', '!"24.04".isVersion()'),
        overloads=(
            Overload(
                id="string_is_version",
                parameters={"text": _TEXT},
                returns=_TRUTH,
                compute=lambda _: is_version,
            ),
        ),
    ),
    Function(
        name="compareVersion",
        form="text.compareVersion(other)",
        gives="-1 when the version is lower than the other, 0 when they are equal, 1 when it is higher",
        examples=('"1.10.0".compareVersion("1.9.3") > 0', '"1.0.0-rc.1".compareVersion("1.0.0") == -1'),
        overloads=(_of_texts("string_compare_version", _INT, lambda _: compare_versions),),
    ),
    Function(
        name="missing",
        form="labels.missing(keys)",
        gives="those of the keys that are not among the labels, or have an empty value",
        examples=('{"env": "prod", "owner": ""}.missing(["env", "owner", "team"]) == ["owner", "team"]',),
        overloads=(
            Overload(
                id="map_missing_list",
                parameters={"labels": _LABELS, "keys": _TEXTS},
                returns=_TEXTS,
                compute=lambda _: missing_labels,
                definition="size(labels) < 0 ? keys "
                ": keys.filter(key, !(key in labels) || labels[key] == '')",
            ),
        ),
    ),
    Function(
        name="unknown",
        form="labels.unknown(keys)",
        gives="the labels' keys that are not among the keys, sorted",
        examples=('{"env": "prod", "tmp": "x", "a": ""}.unknown(["env", "owner"]) == ["a", "tmp"]',),
        overloads=(
            Overload(
                id="map_unknown_list",
                parameters={"labels": _LABELS, "keys": _TEXTS},
                returns=_TEXTS,
                compute=lambda _: unknown_labels,
                definition="size(keys) < 0 ? keys : labels.filter(key, !(key in keys))",
            ),
        ),
    ),
)

_IN_EITHER = Overload(
    id="string_in_cidr_list|string_in_cidr_string",
    parameters={"address": _TEXT, "networks": cel.Type.DYN},
    returns=_TRUTH,
    compute=lambda _: in_either_cidr,
)
"""The overload for a call of `inCidr` if the type of the argument `networks` is dynamic.

At evaluation, `networks` is a text or a list.
"""

OVERLOADS: Mapping[str, Overload] = (
    {one.id: one for function in FUNCTIONS for one in function.overloads}
    | {_IN_EITHER.id: _IN_EITHER}
    | {
        name: _of_texts(name, _TRUTH, lambda tools: tools.patterns.find)
        for name in ("matches", "matches_string")
    }
)
"""The overloads that the gateway computes, keyed by ID.

The mapping also contains `matches`, although it is a function of CEL. If the engine computed
`matches`, it would compile the pattern at each evaluation.
"""

_FIELDS = {_TRUTH.name(): "truths", _INT.name(): "numbers", LINK_TYPE: "links"}

FIELDS: Mapping[str, str] = {
    name: _FIELDS[form.returns.name()] for name, form in OVERLOADS.items() if form.returns.name() in _FIELDS
}
"""Maps the ID of an overload to a field name. A table contains the results of the overload in this field."""

OWN_NAMES = frozenset(function.name for function in FUNCTIONS)

COMPUTED_NAMES = OWN_NAMES | {"matches"}
"""The names of the functions that the gateway computes."""

PATTERN_KINDS = {"matches": "regex", "fullMatch": "regex", "glob": "glob"}
"""The kinds of patterns, keyed by the name of the function. Each function has a pattern as an argument.

The pattern has to be known when the bundle is loaded.
"""
