"""The files of a bundle → compiled bindings by method, or every fault in them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.documents import Document, load_documents
from gateway.faults import Fault, FaultsError, Position, validation_faults
from gateway.policy.compiler import CompiledBinding, Compiler, key_of
from gateway.policy.model import KINDS, Binding, Policy, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from gateway.schema import Method, Schema

TESTS = "Tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is in force.

    Attributes:
        hash: of every file with its name, `sha256:…`.
        bindings: full name of a method → its compiled bindings, in the order of the files.
        suites: tests beside the bundle, by the name of their file.
        rules: `<policy>/<rule>` of every rule.
    """

    hash: str
    bindings: Mapping[str, tuple[CompiledBinding, ...]]
    suites: Mapping[str, Suite]
    rules: frozenset[str]


def load_bundle(files: Mapping[str, str], schema: Schema) -> Bundle:
    """Compile a bundle.

    Args:
        files: name → text of every YAML file.
        schema: that requests are checked against.

    Raises:
        FaultsError: with every fault of every file.
    """
    loader = _Loader(schema)
    for name in sorted(files):
        loader.read(name, files[name])
    return loader.finish(_hash(files))


def _hash(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return f"sha256:{digest.hexdigest()}"


class _Loader:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._faults: list[Fault] = []
        self._policies: dict[str, tuple[Policy, Document]] = {}
        self._bindings: dict[str, tuple[Binding, Document]] = {}
        self._suites: dict[str, Suite] = {}
        self._refused: list[Any] = []
        self._is_whole = True

    def read(self, name: str, text: str) -> None:
        try:
            documents = load_documents(text, name)
        except FaultsError as error:
            self._faults += error.faults
            self._is_whole = False
            return
        for document in documents:
            self._read_document(document)

    def finish(self, digest: str) -> Bundle:
        self._check_names()
        if not self._faults and not self._bindings:
            self._faults.append(Fault(Position("bundle"), "", "holds no binding, so no rule is in force"))
        bindings = self._compile()
        if self._faults:
            raise FaultsError(dict.fromkeys(self._faults))
        rules = frozenset(
            f"{name}/{rule.name}"
            for name, (policy, _) in self._policies.items()
            for rule in policy.spec.rules
        )
        return Bundle(hash=digest, bindings=bindings, suites=self._suites, rules=rules)

    def _read_document(self, document: Document) -> None:
        if document.value is None:  # nothing but comments
            return
        kind = document.value.get("kind") if isinstance(document.value, dict) else None
        if kind == TESTS:
            self._add_suite(document)
        elif isinstance(kind, str) and kind in KINDS:
            parsed = self._parse(document, KINDS[kind])
            if isinstance(parsed, Policy):
                self._add(self._policies, parsed, document)
            elif isinstance(parsed, Binding):
                self._add(self._bindings, parsed, document)
        else:
            self._refused.append(document.value)
            reason = "is required" if kind is None else f"{kind!r} is no kind of document"
            self._fault(document, ("kind",), f"{reason}; kinds: {', '.join([*KINDS, TESTS])}")

    def _parse(self, document: Document, model: type[BaseModel]) -> Any:
        try:
            return model.model_validate(document.value)
        except ValidationError as error:
            self._faults += validation_faults(error, model, document.position)
            self._refused.append(document.value)
            return None

    def _add_suite(self, document: Document) -> None:
        if document.file in self._suites:
            self._fault(document, (), "the file holds tests already; put the cases together")
            return
        suite = self._parse(document, Suite)
        if suite:
            self._suites[document.file] = suite

    def _add(self, known: dict[str, tuple[Any, Document]], parsed: Any, document: Document) -> None:
        name = parsed.metadata.name
        if name in known:
            where = known[name][1].position(("metadata", "name"))
            self._fault(document, ("metadata", "name"), f"{name!r} stands at {where} already")
            return
        known[name] = (parsed, document)

    def _check_names(self) -> None:
        for policy, document in self._policies.values():
            names = Counter(rule.name for rule in policy.spec.rules)
            for index, rule in enumerate(policy.spec.rules):
                if names[rule.name] > 1:
                    path = ("spec", "rules", index, "name")
                    self._fault(document, path, f"two rules are called {rule.name!r}")
        bound = {binding.spec.policy for binding, _ in self._bindings.values()}
        bound |= self._refused_names("spec", "policy")
        for name, (_, document) in self._policies.items():
            if name not in bound and self._is_whole:
                self._fault(document, ("metadata", "name"), f"no binding puts the policy {name!r} in force")

    def _compile(self) -> dict[str, tuple[CompiledBinding, ...]]:
        compiler = Compiler(self._schema)
        result: dict[str, list[CompiledBinding]] = defaultdict(list)
        for binding, document in self._bindings.values():
            policy = self._policies.get(binding.spec.policy)
            if policy is None:
                self._check_policy(binding, document)
                continue
            compiled = [
                (method, one)
                for method in self._methods(*policy)
                if (one := compiler.compile(method, policy, (binding, document)))
            ]
            for method, one in compiled:
                result[method.name].append(one)
            self._check_parameters(binding, document, [one for _, one in compiled])
        self._faults += compiler.faults
        return {name: tuple(bindings) for name, bindings in result.items()}

    def _check_policy(self, binding: Binding, document: Document) -> None:
        name = binding.spec.policy
        if self._is_whole and name not in self._refused_names("metadata", "name"):
            self._fault(document, ("spec", "policy"), _no_policy(name, self._policies))

    def _refused_names(self, part: str, key: str) -> set[str]:
        """Return what refused documents say under a key: what they name is not missing, only faulty."""
        parts = [value.get(part) for value in self._refused if isinstance(value, dict)]
        names = [one.get(key) for one in parts if isinstance(one, dict)]
        return {name for name in names if isinstance(name, str)}

    def _methods(self, policy: Policy, document: Document) -> list[Method]:
        methods: dict[str, Method] = {}
        for index, pattern in enumerate(policy.spec.methods):
            found = [method for name, method in self._schema.known.items() if fnmatchcase(name, pattern)]
            if not found:
                near = get_close_matches(pattern, self._schema.known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self._fault(document, ("spec", "methods", index), f"{pattern!r} is no known method{hint}")
            methods |= {method.name: method for method in found}
        return list(methods.values())

    def _check_parameters(
        self, binding: Binding, document: Document, compiled: list[CompiledBinding]
    ) -> None:
        """Refuse parameters that nothing reads: more likely a misspelt name than a spare one."""
        reads = frozenset[str]().union(*(one.reads for one in compiled))
        for name in binding.spec.params if compiled else ():
            if f"params.{name}" not in reads:
                message = f"the policy {binding.spec.policy} reads no parameter {name!r}"
                self._fault(document, ("spec", "params", name), message)

    def _fault(self, document: Document, path: tuple[str | int, ...], message: str) -> None:
        self._faults.append(Fault(document.position(path), key_of(path), message))


def _no_policy(name: str, policies: Iterable[str]) -> str:
    near = get_close_matches(name, list(policies), n=1)
    return f"there is no policy {name!r}" + (f"; did you mean {near[0]}?" if near else "")
