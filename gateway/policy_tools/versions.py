"""Finds methods that rules leave out, although they do the same as another method in another API version.

For callers, the methods `ImageService/Create` of v1alpha and `BootImageService/CreateBootImage` of v2 do the
same. A rule that is enforced on only one of them can be evaded with the other one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.faults import Fault, Position
from gateway.policy_tools.finding import Finding, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.policy import Bundle
    from gateway.schema import Method, Schema

_VERSION = re.compile(r"v(?P<major>[0-9]+)(?:(?P<stage>alpha|beta)(?P<minor>[0-9]*))?")
_STAGES = {"alpha": 0, "beta": 1, None: 2}
_DENY = "deny"


class _VersionedMethod(NamedTuple):
    """The parts of the full name of a method, such as `a.b.v2.BootImageService/CreateBootImage`.

    Attributes:
        api: the package without its version.
        version: the version, as a tuple that has the order of versions.
        service: the name of the service without its package.
        verb: the name of the method without its service.
    """

    api: str
    version: tuple[int, int, int]
    service: str
    verb: str


def find_uncovered_versions(bundle: Bundle, schema: Schema) -> list[Finding]:
    """Return the findings about served methods that rules leave out.

    If no rule is enforced on a method, there is one finding about the method. If other rules are enforced on
    it, there is a finding for each policy about an older version that leaves it out.
    """
    uncovered = find_uncovered_methods(bundle, schema)
    found: list[Finding] = []
    for name, twin in uncovered.items():
        message = (
            f"no enforced rule applies to it, but {twin} does the same and has rules; its calls are refused"
        )
        found.append(Finding("warning", Fault(Position("bundle"), name, message)))
    changes, enforced = _find_changes(bundle, schema)
    for method in changes:
        if method.name in uncovered:
            continue
        twins = [one for one in changes if enforced[one.name] and _are_twins(method, one)]
        older = [one for one in twins if _is_older(one, method)]
        left_out = {name: one for one in older for name in sorted(enforced[one.name] - enforced[method.name])}
        found += _describe(bundle, method, left_out)
    return found


def find_uncovered_methods(bundle: Bundle, schema: Schema) -> dict[str, str]:
    """Return the served changes on which no rule is enforced, although one does the same in another version.

    The keys are the full names of these methods. The values are the full names of the methods that do the
    same and have rules.
    """
    changes, enforced = _find_changes(bundle, schema)
    found: dict[str, str] = {}
    for method in changes:
        twins = [one for one in changes if enforced[one.name] and _are_twins(method, one)]
        if twins and not enforced[method.name]:
            found[method.name] = twins[0].name
    return found


def _find_changes(bundle: Bundle, schema: Schema) -> tuple[list[Method], dict[str, frozenset[str]]]:
    """Return the served changes, and the names of the policies that are enforced on each of them."""
    changes = [one for one in schema.methods.values() if not one.is_read]
    return changes, {method.name: _find_policies(bundle, method) for method in changes}


def _describe(bundle: Bundle, method: Method, left_out: dict[str, Method]) -> Iterator[Finding]:
    for name, older in left_out.items():
        message = f"applies to {older.name}, but not to {method.name}, which does the same; name it too"
        document = bundle.documents.policies[name][1]
        yield make_finding("warning", document, ("spec", "methods"), message)


def _find_policies(bundle: Bundle, method: Method) -> frozenset[str]:
    """Return the names of the policies whose rules are enforced on a method."""
    program = bundle.programs.get(method.name)
    bindings = program.bindings if program else ()
    return frozenset(one.policy for one in bindings if one.action == _DENY and one.rules)


def _are_twins(one: Method, other: Method) -> bool:
    """Return whether two methods do the same in different versions of an API.

    The names need not be equal: a service or method may have a longer name in one of the versions.
    """
    first, second = _parse(one.name), _parse(other.name)
    if first is None or second is None or first.version == second.version or first.api != second.api:
        return False
    services, verbs = (
        sorted((first.service, second.service), key=len),
        sorted((first.verb, second.verb), key=len),
    )
    return services[1].endswith(services[0]) and verbs[1].startswith(verbs[0])


def _is_older(one: Method, other: Method) -> bool:
    first, second = _parse(one.name), _parse(other.name)
    return first is not None and second is not None and first.version < second.version


def _parse(name: str) -> _VersionedMethod | None:
    """Return the parts of the full name of a method; None if its package has no version."""
    service, _, verb = name.rpartition("/")
    package, _, service = service.rpartition(".")
    api, _, version = package.rpartition(".")
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    order = int(match["major"]), _STAGES[match["stage"]], int(match["minor"] or 0)
    return _VersionedMethod(api, order, service, verb)
