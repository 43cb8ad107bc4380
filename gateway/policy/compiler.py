"""Compiles a policy and a binding for one method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError, Problem
from gateway.expressions.calls import Calls
from gateway.expressions.definitions import Definitions
from gateway.faults import Fault, Path, key_of, suggest
from gateway.policy.field_path import FieldPathError, compile_field_path, compile_target, expand_field
from gateway.policy.program import (
    CALLER_TYPE,
    CompiledBinding,
    CompiledMutation,
    CompiledRule,
    CompiledWaiver,
)
from gateway.policy.variables import field_of, variables_for
from gateway.schema import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.documents import Document
    from gateway.expressions import Executable, Expression, Toolbox
    from gateway.policy.model import Binding, MutationRule, Policy, Rule, Waiver
    from gateway.schema import Method, Schema

_MISSING_PARAMETER = "undeclared reference to 'params."
_RULES_OF_A_CHECK = 50
_CHARACTERS_OF_A_CHECK = 16384


@dataclass(frozen=True, slots=True)
class BindingSource:
    """The documents that one binding is compiled from.

    Attributes:
        parameters: the values of the parameters. The keys are the names of the parameters. The values of
            Params documents are included.
    """

    policy: tuple[Policy, Document]
    binding: tuple[Binding, Document]
    waivers: tuple[tuple[Waiver, Document], ...]
    parameters: Mapping[str, Any]


class Compiler:
    """Compiles bindings and collects the faults in the expressions and field paths of the documents."""

    def __init__(self, schema: Schema, tools: Toolbox) -> None:
        self._schema = schema
        self._tools = tools
        self._definitions = Definitions(schema)
        self._calls: dict[str, Calls] = {}
        self.faults: list[Fault] = []

    def compile(self, method: Method, source: BindingSource, container: str) -> CompiledBinding | None:
        """Return the compiled binding. If faults are found, add them to `faults` and return None.

        Args:
            method: the method that the binding is compiled for.
            source: the documents of the binding.
            container: the prefix of the names that the binding declares. The prefix is unique among the
                bindings of the method.
        """
        faults = len(self.faults)
        types = {
            "request": cel.Type(descriptor_of(method.request).full_name),
            "method": cel.Type.STRING,
            "now": cel.Type.TIMESTAMP,
            "caller": cel.Type(CALLER_TYPE),
        }
        calls = self._calls.setdefault(method.name, Calls(self._schema, self._tools, self._definitions))
        environment = Environment(self._schema, self._tools, types, source.parameters, container, calls)
        compiled = _Compilation(environment, self.faults, method, source).run()
        return compiled if len(self.faults) == faults else None


class _Compilation:
    """The compilation of one binding for one method."""

    def __init__(
        self, environment: Environment, faults: list[Fault], method: Method, source: BindingSource
    ) -> None:
        self._environment = environment
        self._faults = faults
        self._method = method
        self._parameters = source.parameters
        self._policy, self._policy_document = source.policy
        self._binding, self._binding_document = source.binding
        self._waivers = source.waivers
        self._fields: dict[str, tuple[str, ...]] = {}
        self._faults_before = len(faults)

    def run(self) -> CompiledBinding:
        variables = tuple(self._declare_variables())
        when = self._condition(self._binding.spec.when, self._binding_document, ("spec", "when"))
        waivers = tuple(self._waiver(waiver, document) for waiver, document in self._waivers)
        spec = self._policy.spec
        rules = tuple(filter(None, map(self._rule, spec.rules, range(len(spec.rules)))))
        mutations = tuple(filter(None, map(self._mutation, spec.mutations, range(len(spec.mutations)))))
        is_faultless = len(self._faults) == self._faults_before
        return CompiledBinding(
            name=self._binding.metadata.name,
            policy=self._policy.metadata.name,
            action=self._binding.spec.action,
            environment=self._environment,
            when=when,
            variables=variables,
            rules=rules,
            mutations=mutations,
            waivers=waivers,
            checks=tuple(self._checks(rules)) if is_faultless else (),
        )

    def _waiver(self, waiver: Waiver, document: Document) -> CompiledWaiver:
        spec = waiver.spec
        return CompiledWaiver(
            name=waiver.metadata.name,
            rules=frozenset(spec.rules),
            when=self._condition(spec.when, document, ("spec", "when")),
            owner=spec.owner,
            ticket=spec.ticket,
            expires=spec.expires,
        )

    def _declare_variables(self) -> list[tuple[str, Expression]]:
        compiled = []
        for name, text, path, others in variables_for(self._policy.spec, self._method.name):
            expression = self._compile(text, self._policy_document, path) if text else None
            if not text:
                self._fault(self._policy_document, path, Problem(1, 1, "the variable has no value"))
            if others:
                message = f"{others[0]!r} matches the method too; only one pattern may match"
                self._fault(self._policy_document, path, Problem(1, 1, message))
            self._environment.declare(name, expression)
            if expression:
                compiled.append((name, expression))
                self._note_field(name, expression)
        return compiled

    def _note_field(self, name: str, expression: Expression) -> None:
        """Note the field of the request that a variable stands for, if it stands for one."""
        names = field_of(expression.checked.expr, self._environment.container, self._fields)
        if names is not None:
            self._fields[name] = names

    def _expand(self, field: str) -> str:
        """Return the path of a field of the request, for a path that may start with a variable.

        Raises:
            FieldPathError: the path starts with a name that is a variable and another field.
        """
        return expand_field(field, self._fields, descriptor_of(self._method.request))

    def _rule(self, rule: Rule, index: int) -> CompiledRule | None:
        document, path = self._policy_document, ("spec", "rules", index)
        assertion = self._compile(rule.assertion, document, (*path, "assert"), cel.Type.BOOL)
        message = self._text(rule.message, (*path, "message"))
        fix = self._text(rule.fix, (*path, "fix"))
        try:
            field = compile_field_path(self._expand(rule.field), descriptor_of(self._method.request))
        except FieldPathError as error:
            self._fault(document, (*path, "field"), Problem(1, 1, str(error)))
            return None
        if assertion is None:
            return None
        return CompiledRule(
            name=rule.name, severity=rule.severity, field=field, assertion=assertion, message=message, fix=fix
        )

    def _mutation(self, rule: MutationRule, index: int) -> CompiledMutation | None:
        document, path = self._policy_document, ("spec", "set", index)
        when = self._condition(rule.when, document, (*path, "when"))
        try:
            target = compile_target(self._expand(rule.field), descriptor_of(self._method.request))
        except FieldPathError as error:
            self._fault(document, (*path, "field"), Problem(1, 1, str(error)))
            return None
        value = self._compile(rule.value, document, (*path, "value"), target.returns)
        if value is None:
            return None
        return CompiledMutation(name=f"set[{index}]", target=target, value=value, when=when)

    def _checks(self, rules: tuple[CompiledRule, ...]) -> list[Executable]:
        """Return expressions that are all true when every rule is met.

        Each expression combines the assertions of several rules.
        """
        groups: list[list[CompiledRule]] = [[]] if rules else []
        for rule in rules:
            length = sum(len(one.assertion.text) for one in groups[-1])
            if len(groups[-1]) == _RULES_OF_A_CHECK or length > _CHARACTERS_OF_A_CHECK:
                groups.append([])
            groups[-1].append(rule)
        try:
            return [check for group in groups for check in self._check(group)]
        except ExpressionError as error:
            for problem in error.problems:
                self._fault(self._policy_document, ("spec", "rules"), problem)
            return []

    def _check(self, rules: list[CompiledRule]) -> list[Executable]:
        """Compile a group of rules as one expression. If the expression costs too much, split the group."""
        text = " && ".join(f"({rule.assertion.text}\n)" for rule in rules)
        reads = frozenset[str]().union(*(rule.assertion.reads for rule in rules))
        try:
            return [self._environment.compose(text, reads)[0]]
        except ExpressionError:
            if len(rules) == 1:
                raise
            half = len(rules) // 2
            return [*self._check(rules[:half]), *self._check(rules[half:])]

    def _condition(self, text: str | None, document: Document, path: Path) -> Expression | None:
        return None if text is None else self._compile(text, document, path, cel.Type.BOOL)

    def _text(self, text: str | None, path: Path) -> Expression | None:
        return None if text is None else self._compile(text, self._policy_document, path, cel.Type.STRING)

    def _compile(
        self, text: str, document: Document, path: Path, returns: cel.Type | None = None
    ) -> Expression | None:
        try:
            return self._environment.compile(text, returns)
        except ExpressionError as error:
            for problem in error.problems:
                self._fault(document, path, problem, is_of_binding="params." in text)
            return None

    def _fault(
        self, document: Document, path: Path, problem: Problem, *, is_of_binding: bool = False
    ) -> None:
        message = problem.message
        if message.startswith(_MISSING_PARAMETER):
            name = message.removeprefix(_MISSING_PARAMETER).partition("'")[0]
            hint = suggest(name, self._parameters)
            message = f"the binding {self._binding.metadata.name} gives no parameter {name!r}{hint}"
        position = document.position_within(path, problem.line, problem.column)
        where = f"for {self._method.name}"
        if is_of_binding:  # the parameter may have a different value in another binding
            where = f"in the binding {self._binding.metadata.name}, {where}"
        self._faults.append(Fault(position, key_of(path), f"{message} ({where})"))
