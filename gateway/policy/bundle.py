"""Compiles the files of a bundle into one program for each method, or reports every fault."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.expressions import InputLimits
from gateway.expressions.costs import MAX_STEPS_OF_A_METHOD
from gateway.expressions.functions import LINK_TYPE, Toolbox
from gateway.expressions.patterns import Patterns
from gateway.faults import Fault, FaultsError, Position, key_of, suggest
from gateway.object_storage import DEFAULT_HOSTS
from gateway.policy.compiler import BindingSource, Compiler
from gateway.policy.input_size import InputSize
from gateway.policy.method_names import is_named, suggest_method
from gateway.policy.program import CALLER_TYPE, Program
from gateway.policy.reader import Documents, read_documents
from gateway.policy.variables import patterns_in
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.documents import Document
    from gateway.faults import Path
    from gateway.object_storage import Hosts
    from gateway.policy.bundle_files import BundleFiles
    from gateway.policy.model import Binding, Policy, Waiver
    from gateway.policy.program import CompiledBinding
    from gateway.policy.suite_model import Suite
    from gateway.schema import Method, Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A compiled bundle.

    Attributes:
        hash: the hash of the files of the bundle, as `sha256:…`.
        documents: the documents of the bundle.
        programs: the compiled bindings of each method. The keys are the full names of the methods.
    """

    hash: str
    documents: Documents
    programs: Mapping[str, Program]

    @property
    def rules(self) -> frozenset[str]:
        """The name of every rule, as `<policy>/<rule>`."""
        policies = self.documents.policies.items()
        return frozenset(
            f"{name}/{rule.name}" for name, (policy, _) in policies for rule in policy.spec.rules
        )

    @property
    def suites(self) -> Mapping[str, Suite]:
        """The tests of the bundle. The keys are file names."""
        return {name: suite for name, (suite, _) in self.documents.suites.items()}


def load_bundle(
    files: BundleFiles,
    schema: Schema,
    hosts: Hosts = DEFAULT_HOSTS,
    limits: InputLimits = InputLimits(),  # noqa: B008 - it is immutable
) -> Bundle:
    """Compile a bundle.

    Args:
        files: the files of the bundle.
        schema: the schema that contains the methods and message types of the API.
        hosts: the hosts of Object Storage, for the function objectStorage().
        limits: the size limits of the requests that policies evaluate.

    Raises:
        FaultsError: the bundle is invalid. The error contains every fault of every file.
    """
    documents, faults = read_documents(files.texts)
    linker = _Linker(documents, schema, hosts, limits)
    programs = linker.link()
    faults += linker.faults
    if not faults and not documents.bindings:
        faults.append(Fault(Position("bundle"), "", "contains no binding, so no rule is active"))
    if faults:
        raise FaultsError(dict.fromkeys(faults))
    return Bundle(hash=files.hash, documents=documents, programs=programs)


class _Linker:
    """Resolves the references between the bundle's documents, compiles the bindings and collects faults."""

    def __init__(self, documents: Documents, schema: Schema, hosts: Hosts, limits: InputLimits) -> None:
        self.faults: list[Fault] = []
        self._documents = documents
        self._schema = schema
        link_class = schema.message(LINK_TYPE)
        tools = Toolbox(link_class=link_class, patterns=Patterns(), hosts=hosts, limits=limits)
        self._compiler = Compiler(schema, tools)
        self._sizes = InputSize(limits)

    def link(self) -> dict[str, Program]:
        self._check_rules()
        self._check_policies()
        waivers = self._waivers()
        compiled: dict[str, list[CompiledBinding]] = defaultdict(list)
        for name, (binding, document) in self._documents.bindings.items():
            policy = self._documents.policies.get(binding.spec.policy)
            if policy is None:
                self._missing(document, ("spec", "policy"), binding.spec.policy, "policy")
                continue
            source = BindingSource(
                policy, (binding, document), tuple(waivers[name]), self._parameters(binding, document)
            )
            self._compile(source, compiled)
        self.faults += self._compiler.faults
        return {name: self._program(name, bindings) for name, bindings in compiled.items() if bindings}

    def _program(self, method: str, bindings: list[CompiledBinding]) -> Program:
        request = descriptor_of(self._schema.known[method].request)
        caller_class = self._schema.message(CALLER_TYPE)
        return Program(tuple(bindings), caller_class, self._sizes.compile(request))

    def _check_rules(self) -> None:
        for policy, document in self._documents.policies.values():
            names = Counter(rule.name for rule in policy.spec.rules)
            for index, rule in enumerate(policy.spec.rules):
                if names[rule.name] > 1:
                    path = ("spec", "rules", index, "name")
                    self._fault(document, path, f"two rules are called {rule.name!r}")

    def _check_policies(self) -> None:
        bound = {binding.spec.policy for binding, _ in self._documents.bindings.values()}
        bound |= self._documents.refused_names("spec", "policy")
        for name, (_, document) in self._documents.policies.items():
            if name not in bound and self._documents.is_whole:
                self._fault(document, ("metadata", "name"), f"no binding applies the policy {name!r}")

    def _waivers(self) -> dict[str, list[tuple[Waiver, Document]]]:
        waivers: dict[str, list[tuple[Waiver, Document]]] = defaultdict(list)
        for waiver, document in self._documents.waivers.values():
            found = self._documents.bindings.get(waiver.spec.binding)
            if found is None:
                self._missing(document, ("spec", "binding"), waiver.spec.binding, "binding")
                continue
            waivers[waiver.spec.binding].append((waiver, document))
            policy = self._documents.policies.get(found[0].spec.policy)
            if policy is not None:
                self._check_waived(waiver, document, policy[0])
        return waivers

    def _check_waived(self, waiver: Waiver, document: Document, policy: Policy) -> None:
        rules = [rule.name for rule in policy.spec.rules]
        for index, name in enumerate(waiver.spec.rules):
            if name not in rules:
                message = f"the policy {policy.metadata.name} has no rule {name!r}{suggest(name, rules)}"
                self._fault(document, ("spec", "rules", index), message)

    def _parameters(self, binding: Binding, document: Document) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for index, name in enumerate(binding.spec.params_from):
            found = self._documents.params.get(name)
            if found is None:
                self._missing(document, ("spec", "paramsFrom", index), name, "Params")
            else:
                parameters |= found[0].spec
        return parameters | binding.spec.params

    def _compile(self, source: BindingSource, compiled: dict[str, list[CompiledBinding]]) -> None:
        own = [
            (method.name, one)
            for method in self._methods(*source.policy)
            if (one := self._compiler.compile(method, source, f"b{len(compiled[method.name])}"))
        ]
        for name, one in own:
            compiled[name].append(one)
            self._check_steps(name, compiled[name], source)
        self._check_parameters(source, [one for _, one in own])

    def _check_steps(self, method: str, compiled: list[CompiledBinding], source: BindingSource) -> None:
        """Report a fault if the latest binding raises the total cost of a method above the limit.

        Each expression has its own limit, but the sum of all expressions of a method can still be too high.
        """
        steps = sum(one.steps for one in compiled)
        if steps > MAX_STEPS_OF_A_METHOD >= steps - compiled[-1].steps:
            message = (
                f"with this binding a call of {method} may take {steps:,} steps, "
                f"{MAX_STEPS_OF_A_METHOD:,} are allowed; use fewer loops, and functions outside of them"
            )
            self._fault(source.binding[1], ("metadata", "name"), message)

    def _methods(self, policy: Policy, document: Document) -> list[Method]:
        methods: dict[str, Method] = {}
        for index, pattern in enumerate(policy.spec.methods):
            found = [method for name, method in self._schema.known.items() if is_named(name, pattern)]
            if not found:
                hint = suggest_method(pattern, self._schema.known)
                self._fault(document, ("spec", "methods", index), f"{pattern!r} is no known method{hint}")
            methods |= {method.name: method for method in found}
        for path, pattern in patterns_in(policy.spec):
            if methods and not any(is_named(name, pattern) for name in methods):
                hint = suggest_method(pattern, methods)
                self._fault(document, path, f"{pattern!r} is no method of the policy{hint}")
        return list(methods.values())

    def _check_parameters(self, source: BindingSource, compiled: list[CompiledBinding]) -> None:
        """Report each parameter of a binding that no expression reads.

        The name of such a parameter is probably misspelt.
        """
        reads = frozenset[str]().union(*(one.reads for one in compiled))
        binding, document = source.binding
        for name in binding.spec.params if compiled else ():
            if f"params.{name}" not in reads:
                message = f"the policy {binding.spec.policy} reads no parameter {name!r}"
                self._fault(document, ("spec", "params", name), message)

    def _missing(self, document: Document, path: Path, name: str, kind: str) -> None:
        """Report a reference to a document that does not exist.

        Nothing is reported if a refused document has the name that the reference contains. Nothing is
        reported either if a file of the bundle could not be read or is empty.
        """
        known: dict[str, Iterable[str]] = {
            "policy": self._documents.policies,
            "binding": self._documents.bindings,
            "Params": self._documents.params,
        }
        if self._documents.is_whole and name not in self._documents.refused_names("metadata", "name"):
            article = "are no" if kind == "Params" else "is no"
            self._fault(document, path, f"there {article} {kind} {name!r}{suggest(name, known[kind])}")

    def _fault(self, document: Document, path: Path, message: str) -> None:
        self.faults.append(Fault(document.position(path), key_of(path), message))
