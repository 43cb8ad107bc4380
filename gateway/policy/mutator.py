"""Makes the mutations of policies, before any rule is evaluated.

Mutations are made in the order of the bundle's files. Each mutation changes the result
of the earlier mutations. The original request is never changed: every mutation changes
a copy of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions import EvaluationError
from gateway.policy.conditions import fail, read_condition
from gateway.policy.decision import MutatedRequest, Mutation, Violation

if TYPE_CHECKING:
    from gateway.expressions import Activation
    from gateway.policy.program import CompiledBinding, CompiledMutation, PolicyInput, Program

AUDIT = "audit"


def mutate(program: Program, policy_input: PolicyInput) -> MutatedRequest:
    """Return the request after every mutation of a program."""
    mutator = _Mutator(program, policy_input)
    for binding in program.mutating:
        mutator.apply(binding)
    return mutator.result()


class _Mutator:
    def __init__(self, program: Program, policy_input: PolicyInput) -> None:
        self._program = program
        self._input = policy_input
        self._request = policy_input.request
        self._activation = program.activate(policy_input)
        self._mutations: list[Mutation] = []
        self._errors: list[Violation] = []
        self._doubts: dict[str, Violation] = {}
        self._applied: set[str] = set()
        for binding in program.bindings:
            self._note(binding)

    def result(self) -> MutatedRequest:
        errors = (*self._doubts.values(), *self._errors)
        return MutatedRequest(
            self._input, self._request, tuple(self._mutations), errors, frozenset(self._applied)
        )

    def _note(self, binding: CompiledBinding) -> bool:
        """Return whether a binding applies, and record each binding that applies.

        If the condition of the binding cannot be evaluated, the result is false, but the binding is recorded.
        A recorded binding remains recorded, even if the condition of the binding is false after a later
        mutation.
        """
        applies, doubt = read_condition(binding, self._activation)
        if applies:
            self._applied.add(binding.name)
        if doubt is not None:
            self._doubts.setdefault(binding.name, doubt)
        return applies and doubt is None

    def apply(self, binding: CompiledBinding) -> None:
        if not self._note(binding):  # no field is set if the condition cannot be evaluated
            return
        for mutation in binding.mutations:
            try:
                self._make(binding, mutation, self._activation)
            except (EvaluationError, ValueError, TypeError) as error:
                field, message = mutation.target.path.text, f"the field cannot be set: {error}"
                self._errors.append(fail(binding, mutation.name, "high", field, message))

    def _make(self, binding: CompiledBinding, mutation: CompiledMutation, activation: Activation) -> None:
        if mutation.when is not None and not mutation.when.is_true(activation):
            return
        changed = type(self._request)()
        changed.CopyFrom(self._request)
        mutation.target.set(changed, mutation.value.evaluate(activation))
        path = mutation.target.path
        if changed == self._request:
            return
        is_made = binding.action != AUDIT
        self._mutations.append(
            Mutation(
                policy=binding.policy,
                name=mutation.name,
                binding=binding.name,
                field=path.text,
                before=path.show(self._request),
                after=path.show(changed),
                is_made=is_made,
            )
        )
        if is_made:
            self._request = changed
            self._activation = self._program.activate(self._input._replace(request=changed))
