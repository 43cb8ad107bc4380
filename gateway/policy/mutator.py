"""Fills in what policies set, before anything is judged.

Settings are made in the order of the bundle's files, each on what the earlier
ones left. They are made on a copy, and only when there are any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions.expression import EvaluationError
from gateway.masking import mask, mask_signatures
from gateway.policy.decision import Draft, Mutation, Violation

if TYPE_CHECKING:
    from cel_expr_python import cel

    from gateway.policy.program import CompiledBinding, CompiledSetting, PolicyInput, Program

AUDIT = "audit"


def mutate(program: Program, asked: PolicyInput) -> Draft:
    """Make every mutation of a program."""
    drafting = _Drafting(program, asked)
    for binding in program.mutating:
        drafting.apply(binding)
    return drafting.draft()


class _Drafting:
    def __init__(self, program: Program, asked: PolicyInput) -> None:
        self._program = program
        self._asked = asked
        self._request = asked.request
        self._activation = program.activate(asked)
        self._mutations: list[Mutation] = []
        self._errors: list[Violation] = []

    def draft(self) -> Draft:
        return Draft(self._asked, self._request, tuple(self._mutations), tuple(self._errors))

    def apply(self, binding: CompiledBinding) -> None:
        try:
            if binding.when is not None and not binding.when.is_true(self._activation):
                return
        except EvaluationError:  # judged later, it denies: there is no telling what to fill in
            return
        for setting in binding.settings:
            try:
                self._make(binding, setting, self._activation)
            except (EvaluationError, ValueError, TypeError, UnicodeError) as error:
                self._errors.append(_failure(binding, setting, error))

    def _make(self, binding: CompiledBinding, setting: CompiledSetting, activation: cel.Activation) -> None:
        if setting.when is not None and not setting.when.is_true(activation):
            return
        changed = type(self._request)()
        changed.CopyFrom(self._request)
        setting.target.set(changed, setting.value.evaluate(activation))
        path = setting.target.path
        if changed == self._request:
            return
        is_made = binding.action != AUDIT
        self._mutations.append(
            Mutation(
                policy=binding.policy,
                name=setting.name,
                binding=binding.name,
                field=path.text,
                before=mask_signatures(path.show(self._request)),
                after=mask_signatures(path.show(changed)),
                is_made=is_made,
            )
        )
        if is_made:
            self._request = changed
            self._activation = self._program.activate(self._asked._replace(request=changed))


def _failure(binding: CompiledBinding, setting: CompiledSetting, error: Exception) -> Violation:
    return Violation(
        policy=binding.policy,
        rule=setting.name,
        binding=binding.name,
        action=binding.action,
        severity="high",
        field=setting.target.path.text,
        value="",
        message=mask_signatures(mask(f"the field cannot be set: {error}")),
        is_error=True,
    )
