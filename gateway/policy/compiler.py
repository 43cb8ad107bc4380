"""A policy and a binding → what the decider runs for one method."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from gateway.faults import Fault, Path
from gateway.policy.expression import Environment, Expression, ExpressionError, Problem, type_of
from gateway.policy.field_path import FieldPath, FieldPathError, compile_field_path
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.documents import Document
    from gateway.policy.model import Binding, Policy, Rule
    from gateway.schema import Method, Schema

_MISSING_PARAMETER = "undeclared reference to 'params."


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule, ready to run."""

    name: str
    field: FieldPath
    assertion: Expression
    message: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBinding:
    """A policy put in force for one method, ready to run.

    Attributes:
        parameters: `params.<name>` → value.
        variables: in the order in which they are evaluated.
    """

    name: str
    policy: str
    action: str
    environment: Environment
    parameters: Mapping[str, Any]
    when: Expression | None
    variables: tuple[tuple[str, Expression], ...]
    rules: tuple[CompiledRule, ...]

    @property
    def reads(self) -> frozenset[str]:
        """Every name that its expressions refer to."""
        expressions = [expression for _, expression in self.variables]
        expressions += [rule.assertion for rule in self.rules]
        expressions += [rule.message for rule in self.rules if rule.message]
        return frozenset().union(*(one.reads for one in expressions), self.when.reads if self.when else ())


class Compiler:
    """Compiles bindings, gathering every fault of the documents that they come from."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.faults: list[Fault] = []

    def compile(
        self, method: Method, policy: tuple[Policy, Document], binding: tuple[Binding, Document]
    ) -> CompiledBinding | None:
        """Return the compiled binding, or None when `faults` has grown."""
        faults = len(self.faults)
        compiled = _Compilation(self._schema, self.faults, method, policy, binding).run()
        return compiled if len(self.faults) == faults else None


class _Compilation:
    """The compilation of one binding for one method."""

    def __init__(
        self,
        schema: Schema,
        faults: list[Fault],
        method: Method,
        policy: tuple[Policy, Document],
        binding: tuple[Binding, Document],
    ) -> None:
        self._faults = faults
        self._method = method
        self._policy, self._policy_document = policy
        self._binding, self._binding_document = binding
        self._parameters = {f"params.{name}": value for name, value in self._binding.spec.params.items()}
        self._environment = Environment(
            schema,
            {
                "request": cel.Type(descriptor_of(method.request).full_name),
                "method": cel.Type.STRING,
                "now": cel.Type.TIMESTAMP,
                **{name: type_of(value) for name, value in self._parameters.items()},
            },
        )

    def run(self) -> CompiledBinding:
        when = self._when()
        variables = tuple(self._variables())
        rules = tuple(
            compiled
            for index, rule in enumerate(self._policy.spec.rules)
            if (compiled := self._rule(rule, ("spec", "rules", index)))
        )
        return CompiledBinding(
            name=self._binding.metadata.name,
            policy=self._policy.metadata.name,
            action=self._binding.spec.action,
            environment=self._environment,
            parameters=self._parameters,
            when=when,
            variables=variables,
            rules=rules,
        )

    def _when(self) -> Expression | None:
        text = self._binding.spec.when
        if text is None:
            return None
        return self._compile(text, self._binding_document, ("spec", "when"), cel.Type.BOOL)

    def _variables(self) -> list[tuple[str, Expression]]:
        compiled = []
        for name, text in self._policy.spec.variables.items():
            expression = self._compile(text, self._policy_document, ("spec", "variables", name))
            self._environment.declare(name, expression.returns if expression else cel.Type.DYN)
            if expression:
                compiled.append((name, expression))
        return compiled

    def _rule(self, rule: Rule, path: Path) -> CompiledRule | None:
        document = self._policy_document
        assertion = self._compile(rule.assertion, document, (*path, "assert"), cel.Type.BOOL)
        message = None
        if rule.message is not None:
            message = self._compile(rule.message, document, (*path, "message"), cel.Type.STRING)
        field = self._field(rule.field, (*path, "field"))
        if assertion is None or field is None:
            return None
        return CompiledRule(name=rule.name, field=field, assertion=assertion, message=message)

    def _field(self, text: str, path: Path) -> FieldPath | None:
        try:
            return compile_field_path(text, descriptor_of(self._method.request))
        except FieldPathError as error:
            self._fault(self._policy_document, path, Problem(1, 1, str(error)))
            return None

    def _compile(
        self, text: str, document: Document, path: Path, returns: cel.Type | None = None
    ) -> Expression | None:
        try:
            return self._environment.compile(text, returns)
        except ExpressionError as error:
            for problem in error.problems:
                self._fault(document, path, problem)
            return None

    def _fault(self, document: Document, path: Path, problem: Problem) -> None:
        message = problem.message
        if message.startswith(_MISSING_PARAMETER):
            name = message.removeprefix(_MISSING_PARAMETER).partition("'")[0]
            near = get_close_matches(name, self._binding.spec.params, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"the binding {self._binding.metadata.name} gives no parameter {name!r}{hint}"
        position = document.position_within(path, problem.line, problem.column)
        self._faults.append(Fault(position, key_of(path), f"{message} (for {self._method.name})"))


def key_of(path: Path) -> str:
    """Return a path as faults name it: `spec.rules[0].assert`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
