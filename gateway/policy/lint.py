"""What a bundle that compiles may still have wrong with it, or leave open."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from gateway.faults import Fault, Position, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gateway.documents import Document
    from gateway.faults import Path
    from gateway.policy.bundle import Bundle
    from gateway.policy.program import CompiledBinding
    from gateway.schema import Method, Schema

_SOON = timedelta(days=14)
_CREATE_WORDS = ("Create", "Add", "Import", "Register", "Clone", "Copy", "Restore")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    Attributes:
        level: `warning` is to be mended; `note` may be meant.
    """

    level: Literal["warning", "note"]
    fault: Fault

    def __str__(self) -> str:
        return f"{self.level}: {self.fault}"


def find_weaknesses(bundle: Bundle, schema: Schema, now: datetime) -> list[Finding]:
    """Return every finding, in the order of the files.

    Args:
        bundle: that compiles.
        schema: with the methods that are served.
        now: for what expires.
    """
    linter = _Linter(bundle, now)
    found = [*linter.waivers(), *linter.params(), *linter.bindings(), *linter.policies(), *linter.settings()]
    found.sort(key=lambda one: (one.fault.position.file, one.fault.position.line))
    return found + list(_unbound_creates(bundle, schema))


def _unbound_creates(bundle: Bundle, schema: Schema) -> Iterator[Finding]:
    for method in schema.methods.values():
        if is_create(method) and method.name not in bundle.programs:
            message = "creates something, and no binding is about it"
            yield Finding("note", Fault(Position("bundle"), method.name, message))


def is_create(method: Method) -> bool:
    """Tell whether a method makes something new, as far as its name and its HTTP rules tell."""
    if method.is_read:
        return False
    is_posted = {rule.verb for rule in method.rules} == {"POST"} and method.operation is not None
    return is_posted or method.name.rpartition("/")[2].startswith(_CREATE_WORDS)


class _Linter:
    def __init__(self, bundle: Bundle, now: datetime) -> None:
        self._documents = bundle.documents
        self._now = now
        self._compiled: dict[str, list[CompiledBinding]] = defaultdict(list)
        for program in bundle.programs.values():
            for binding in program.bindings:
                self._compiled[binding.name].append(binding)
        self._programs = bundle.programs

    def waivers(self) -> Iterator[Finding]:
        path = ("spec", "expires")
        for waiver, document in self._documents.waivers.values():
            spec = waiver.spec
            owner = f"{spec.owner} ({spec.ticket})"
            if spec.expires <= self._now:
                message = (
                    f"expired, so the waiver has no effect; take it away, or agree on a new one with {owner}"
                )
                yield _finding("warning", document, path, message)
            elif spec.expires <= self._now + _SOON:
                yield _finding("note", document, path, f"the waiver of {owner} expires soon")

    def params(self) -> Iterator[Finding]:
        users = defaultdict(list)
        for binding, _ in self._documents.bindings.values():
            for name in binding.spec.params_from:
                users[name].append(binding)
        for name, (params, document) in self._documents.params.items():
            if not users[name]:
                yield _finding(
                    "warning", document, ("metadata", "name"), f"no binding takes the Params {name!r}"
                )
                continue
            read = {one for user in users[name] for one in self._read_by(user.metadata.name)}
            for key in params.spec:
                if f"params.{key}" not in read:
                    yield _finding(
                        "warning", document, ("spec", key), f"no policy reads the parameter {key!r}"
                    )

    def _read_by(self, binding: str) -> frozenset[str]:
        return frozenset[str]().union(*(one.reads for one in self._compiled[binding]))

    def bindings(self) -> Iterator[Finding]:
        seen: dict[str, str] = {}
        for name, (binding, document) in self._documents.bindings.items():
            said = binding.spec.model_dump_json()
            if said in seen:
                message = f"the binding says the same as {seen[said]}; keep one"
                yield _finding("warning", document, ("metadata", "name"), message)
            seen.setdefault(said, name)
            compiled = self._compiled[name]
            if compiled and all(one.when and one.environment.is_constant(one.when) for one in compiled):
                yield _finding("warning", document, ("spec", "when"), "is the same for every request")

    def policies(self) -> Iterator[Finding]:
        for name, (policy, document) in self._documents.policies.items():
            compiled = [one for many in self._compiled.values() for one in many if one.policy == name]
            if not compiled:
                continue
            for variable in policy.spec.variables:
                if not any(variable in one.reads for one in compiled):
                    key = ("spec", "variables", variable)
                    yield _finding("warning", document, key, "nothing reads the variable")
            for index in range(len(policy.spec.rules)):
                if all(one.environment.is_constant(one.rules[index].assertion) for one in compiled):
                    path = ("spec", "rules", index, "assert")
                    yield _finding("warning", document, path, "is the same for every request")

    def settings(self) -> Iterator[Finding]:
        told: set[tuple[str, str]] = set()
        for program in self._programs.values():
            fields = Counter(setting.target.path.text for one in program.mutating for setting in one.settings)
            for binding in program.mutating:
                for index, setting in enumerate(binding.settings):
                    field = setting.target.path.text
                    if fields[field] > 1 and setting.when is None and (binding.policy, field) not in told:
                        told.add((binding.policy, field))
                        document = self._documents.policies[binding.policy][1]
                        message = f"{field} is set {fields[field]} times; the last one stays"
                        yield _finding("warning", document, ("spec", "set", index, "field"), message)


def _finding(level: Literal["warning", "note"], document: Document, path: Path, message: str) -> Finding:
    return Finding(level, Fault(document.position(path), key_of(path), message))
