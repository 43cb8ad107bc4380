"""Finds weaknesses in a bundle that compiles without faults."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.faults import Fault, Position
from gateway.policy.mutator import AUDIT
from gateway.policy_tools.finding import Finding, make_finding
from gateway.policy_tools.truth import ERROR, find_truth
from gateway.policy_tools.versions import find_uncovered_versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gateway.documents import Document
    from gateway.faults import Path
    from gateway.policy.bundle import Bundle
    from gateway.policy.model import MutationRule, PolicySpec, Rule, Waiver
    from gateway.policy.program import CompiledBinding, CompiledMutation
    from gateway.schema import Method, Schema

_SOON = timedelta(days=14)
_CREATE_WORDS = ("Create", "Add", "Import", "Register", "Clone", "Copy", "Restore")


def find_weaknesses(bundle: Bundle, schema: Schema, now: datetime) -> list[Finding]:
    """Return all findings about a bundle.

    The findings about documents are sorted by file and position. After them, the list has the findings about
    methods without bindings.

    Args:
        bundle: the compiled bundle.
        schema: the schema with the methods that the gateway serves.
        now: the present time. A waiver with an earlier expiry time has expired.
    """
    linter = _Linter(bundle, schema, now)
    found = [*linter.waivers(), *linter.params(), *linter.bindings(), *linter.policies(), *linter.mutations()]
    versions = find_uncovered_versions(bundle, schema)
    reported = {one.fault.key for one in versions}
    about_methods = [one for one in versions if one.fault.key in schema.methods]
    found += [one for one in versions if one.fault.key not in schema.methods]
    found.sort(key=lambda one: astuple(one.fault.position))
    return [*found, *about_methods, *_unbound_creates(bundle, schema, reported)]


def _unbound_creates(bundle: Bundle, schema: Schema, reported: set[str]) -> Iterator[Finding]:
    for method in schema.methods.values():
        if is_create(method) and method.name not in bundle.programs and method.name not in reported:
            message = "creates something, and no binding is about it"
            yield Finding("note", Fault(Position("bundle"), method.name, message))


def is_create(method: Method) -> bool:
    """Return whether the name or the HTTP rules of a method indicate that the method creates something."""
    if method.is_read:
        return False
    is_posted = {rule.http_method for rule in method.rules} == {"POST"} and method.operation is not None
    return is_posted or method.name.rpartition("/")[2].startswith(_CREATE_WORDS)


class _Linter:
    def __init__(self, bundle: Bundle, schema: Schema, now: datetime) -> None:
        self._documents = bundle.documents
        self._now = now
        self._compiled: dict[str, list[CompiledBinding]] = defaultdict(list)
        for program in bundle.programs.values():
            for binding in program.bindings:
                self._compiled[binding.name].append(binding)
        self._programs = bundle.programs
        served = [bundle.programs[name] for name in schema.methods if name in bundle.programs]
        self._used = {binding.name for program in served for binding in program.bindings}

    def waivers(self) -> Iterator[Finding]:
        path = ("spec", "expires")
        for waiver, document in self._documents.waivers.values():
            spec = waiver.spec
            owner = f"{spec.owner} ({spec.ticket})"
            if spec.expires <= self._now:
                message = (
                    f"expired, so the waiver has no effect; delete it, or agree on a new one with {owner}"
                )
                yield make_finding("warning", document, path, message)
            elif spec.expires <= self._now + _SOON:
                yield make_finding("note", document, path, f"the waiver of {owner} expires soon")
            yield from self._constant_waiver(waiver, document)

    def _constant_waiver(self, waiver: Waiver, document: Document) -> Iterator[Finding]:
        values = {
            find_truth(binding, one.when)
            for binding in self._compiled[waiver.spec.binding]
            for one in binding.waivers
            if one.name == waiver.metadata.name and one.when
        }
        yield from _constant_condition(values, document, ("spec", "when"), "the waiver has no effect")

    def params(self) -> Iterator[Finding]:
        users = defaultdict(list)
        for binding, _ in self._documents.bindings.values():
            for name in binding.spec.params_from:
                users[name].append(binding)
        for name, (params, document) in self._documents.params.items():
            if not users[name]:
                yield make_finding(
                    "warning", document, ("metadata", "name"), f"no binding takes the Params {name!r}"
                )
                continue
            read = {one for user in users[name] for one in self._read_by(user.metadata.name)}
            for key in params.spec:
                if f"params.{key}" not in read:
                    yield make_finding(
                        "warning", document, ("spec", key), f"no policy reads the parameter {key!r}"
                    )

    def _read_by(self, binding: str) -> frozenset[str]:
        return frozenset[str]().union(*(one.reads for one in self._compiled[binding]))

    def bindings(self) -> Iterator[Finding]:
        seen: dict[str, str] = {}
        for name, (binding, document) in self._documents.bindings.items():
            said = binding.spec.model_dump_json()
            if said in seen:
                message = f"the binding is the same as {seen[said]}; keep one"
                yield make_finding("warning", document, ("metadata", "name"), message)
            seen.setdefault(said, name)
            if name not in self._used:
                message = f"no method that the policy {binding.spec.policy} is about is served"
                yield make_finding("warning", document, ("spec", "policy"), message)
            yield from _constant_when(self._compiled[name], document)

    def policies(self) -> Iterator[Finding]:
        for name, (policy, document) in self._documents.policies.items():
            compiled = [one for many in self._compiled.values() for one in many if one.policy == name]
            fields = {part.field.partition(".")[0].partition("[")[0] for part in _with_fields(policy.spec)}
            for variable in policy.spec.variables:
                if not any(variable in one.reads or variable in fields for one in compiled):
                    key = ("spec", "variables", variable)
                    yield make_finding("warning", document, key, "nothing reads the variable")
            for index in range(len(policy.spec.rules)):
                yield from _constant_rule(compiled, index, document)
            for index in range(len(policy.spec.mutations)):
                values = {find_truth(one, when) for one in compiled if (when := one.mutations[index].when)}
                path = ("spec", "set", index, "when")
                yield from _constant_condition(values, document, path, "the field is never set")

    def mutations(self) -> Iterator[Finding]:
        reported: set[tuple[str, str]] = set()
        for program in self._programs.values():
            made = [
                (one, mutation)
                for one in program.mutating
                if one.action != AUDIT
                for mutation in one.mutations
            ]
            for place, (binding, mutation) in enumerate(made):
                later = _find_overwriting(mutation, made[place + 1 :])
                if later is None or (binding.policy, mutation.name) in reported:
                    continue
                reported.add((binding.policy, mutation.name))
                again, other = later
                message = (
                    f"has no effect: {again.policy}/{other.name} under the binding {again.name} sets "
                    f"{other.target.path.text} after it, whatever the request"
                )
                document = self._documents.policies[binding.policy][1]
                path = ("spec", "set", binding.mutations.index(mutation), "field")
                yield make_finding("warning", document, path, message)


def _with_fields(spec: PolicySpec) -> tuple[Rule | MutationRule, ...]:
    return (*spec.rules, *spec.mutations)


def _find_overwriting(
    mutation: CompiledMutation, later: list[tuple[CompiledBinding, CompiledMutation]]
) -> tuple[CompiledBinding, CompiledMutation] | None:
    """Return the first later mutation that sets the same field without a condition, and its binding.

    Return None if there is no such mutation.

    Args:
        mutation: the mutation that may be overwritten.
        later: pairs of a binding and one of its mutations. These mutations are made after `mutation`.
    """
    for binding, other in later:
        is_unconditional = other.when is None and binding.when is None
        if is_unconditional and other.target.path == mutation.target.path:
            return binding, other
    return None


def _constant_when(compiled: list[CompiledBinding], document: Document) -> Iterator[Finding]:
    values = {find_truth(one, one.when) for one in compiled if one.when}
    yield from _constant_condition(values, document, ("spec", "when"), "the binding has no effect")


def _constant_condition(
    values: set[bool | str | None], document: Document, path: Path, without_effect: str
) -> Iterator[Finding]:
    """Report a condition that is always true, is always false or always fails.

    Args:
        values: the results of `find_truth` for the condition, one for each compiled binding.
        document: the document that contains the condition.
        path: the path of the condition's key in the document.
        without_effect: the text that says what has no effect, such as `the binding has no effect`. It is used
            only if the condition is always false.
    """
    if values == {True}:
        yield make_finding("warning", document, path, "is true for every request; leave it out")
    elif values == {False}:
        message = f"is false for every request, so {without_effect}"
        yield make_finding("warning", document, path, message)
    elif values == {ERROR}:
        yield make_finding("warning", document, path, "fails for every request")


def _constant_rule(compiled: list[CompiledBinding], index: int, document: Document) -> Iterator[Finding]:
    """Report a rule whose assertion is always true, is always false or always fails.

    If the assertion is always false and does not read the request, the level of the finding is `note`. In
    this case, the author may want to forbid every request.
    """
    values = {find_truth(one, one.rules[index].assertion) for one in compiled}
    path = ("spec", "rules", index, "assert")
    if values == {True}:
        message = "is true for every request, so the rule has no effect"
        yield make_finding("warning", document, path, message)
    elif values == {False}:
        is_plain = all(one.environment.is_constant(one.rules[index].assertion) for one in compiled)
        message = "is false for every request, so each request breaks it"
        yield make_finding("note" if is_plain else "warning", document, path, message)
    elif ERROR in values:
        yield make_finding("warning", document, path, "fails for every request")
