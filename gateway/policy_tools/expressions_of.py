"""Lists all compiled expressions of a bundle and their positions in the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.policy.variables import variables_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.documents import Document
    from gateway.expressions.expression import Expression
    from gateway.faults import Path
    from gateway.policy.bundle import Bundle
    from gateway.policy.program import CompiledBinding, CompiledMutation, CompiledRule, CompiledWaiver


class WrittenExpression(NamedTuple):
    """A compiled expression, and the position of the expression in the documents.

    Attributes:
        expression: the compiled expression.
        document: the document that contains the expression.
        path: the path of the expression's key in the document.
    """

    expression: Expression
    document: Document
    path: Path


def expressions_of(bundle: Bundle) -> Iterator[WrittenExpression]:
    """Yield all compiled expressions of a bundle.

    If an expression is compiled for several bindings or methods, yield each compiled expression.
    """
    for method, program in bundle.programs.items():
        for binding in program.bindings:
            yield from _expressions(bundle, binding, method)


def _expressions(bundle: Bundle, binding: CompiledBinding, method: str) -> Iterator[WrittenExpression]:
    documents = bundle.documents
    if binding.when is not None:
        document = documents.bindings[binding.name][1]
        yield WrittenExpression(binding.when, document, ("spec", "when"))
    for waiver in binding.waivers:
        yield from _of_waiver(waiver, documents.waivers[waiver.name][1])
    written, policy = documents.policies[binding.policy]
    paths = {one.name: one.path for one in variables_for(written.spec, method)}
    for name, variable in binding.variables:
        yield WrittenExpression(variable, policy, paths[name])
    for index, rule in enumerate(binding.rules):
        yield from _of_rule(rule, policy, ("spec", "rules", index))
    for index, mutation in enumerate(binding.mutations):
        yield from _of_mutation(mutation, policy, ("spec", "set", index))


def _of_waiver(waiver: CompiledWaiver, document: Document) -> Iterator[WrittenExpression]:
    if waiver.when is not None:
        yield WrittenExpression(waiver.when, document, ("spec", "when"))


def _of_rule(rule: CompiledRule, document: Document, path: Path) -> Iterator[WrittenExpression]:
    parts = {"assert": rule.assertion, "message": rule.message, "fix": rule.fix}
    for key, expression in parts.items():
        if expression is not None:
            yield WrittenExpression(expression, document, (*path, key))


def _of_mutation(mutation: CompiledMutation, document: Document, path: Path) -> Iterator[WrittenExpression]:
    yield WrittenExpression(mutation.value, document, (*path, "value"))
    if mutation.when is not None:
        yield WrittenExpression(mutation.when, document, (*path, "when"))
