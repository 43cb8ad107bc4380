"""A difference → the smallest bundle found that still shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gateway.faults import FaultsError
from gateway.schema import Schema
from tests.policy_fuzz.case import Binding, Policy, documents_of, expect
from tests.policy_fuzz.oracle import Request
from tests.policy_fuzz.run import Difference, prepare, show
from tests.policy_fuzz.tree import Tree, walk

_MOST_ATTEMPTS = 2000


def describe(difference: Difference) -> str:
    """Tell of a difference, with all that it takes to see it again."""
    return (
        f"\nDIFFERENCE in {difference.what}\n{documents_of(difference.bindings)}{difference.request}\n"
        f"expected {difference.expected}\nfound    {difference.found}"
    )


def shrink(schema: Schema, difference: Difference) -> Difference:
    """Leave out what a difference in a decision does not need."""
    if difference.what != "the decision":
        return difference
    attempts = 0
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for bindings in _smaller(difference.bindings):
            attempts += 1
            if attempts > _MOST_ATTEMPTS:
                return difference
            if found := _differs(schema, bindings, difference.request):
                difference, is_smaller = found, True
                break
    return difference


def _differs(schema: Schema, bindings: tuple[Binding, ...], request: Request) -> Difference | None:
    try:
        found, expected = prepare(schema, bindings)(request), expect(bindings, request)
    except (FaultsError, KeyError):  # what is left does not make a bundle
        return None
    if (expected.broken, expected.outcome) == (found.broken, found.outcome):
        return None
    return Difference(bindings, request, show(expected), show(found), "the decision")


def _smaller(bindings: tuple[Binding, ...]) -> Iterator[tuple[Binding, ...]]:
    for index, binding in enumerate(bindings):
        if len(bindings) > 1:
            yield (*bindings[:index], *bindings[index + 1 :])
        for one in _smaller_binding(binding):
            others = [_with_policy(other, binding.policy, one.policy) for other in bindings]
            yield (*others[:index], one, *others[index + 1 :])


def _with_policy(binding: Binding, old: Policy, new: Policy) -> Binding:
    """A policy has one text, whoever puts it in force."""
    return replace(binding, policy=new) if binding.policy is old else binding


def _smaller_binding(binding: Binding) -> Iterator[Binding]:
    if binding.when is not None:
        yield replace(binding, when=None)
        yield from (replace(binding, when=tree) for tree in _smaller_trees(binding.when))
    policy = binding.policy
    for rules in _smaller_named(policy.rules):
        if rules:
            yield replace(binding, policy=replace(policy, rules=rules))
    for variables in _smaller_named(policy.variables):
        yield replace(binding, policy=replace(policy, variables=variables))
    for name in binding.own:
        yield replace(binding, own={key: one for key, one in binding.own.items() if key != name})


def _smaller_named(trees: Mapping[str, Tree]) -> Iterator[dict[str, Tree]]:
    for name, tree in trees.items():
        yield {key: one for key, one in trees.items() if key != name}
        for one in _smaller_trees(tree):
            yield {**trees, name: one}


def _smaller_trees(tree: Tree) -> Iterator[Tree]:
    """Yield a tree's parts of its own kind, and the tree with one of its parts smaller."""
    if tree.kind == "bool" and tree.operator != "literal":
        yield Tree("literal", "bool", (), value=True)
        yield Tree("literal", "bool", (), value=False)
    yield from (one for one in walk(tree) if one is not tree and one.kind == tree.kind)
    for index, part in enumerate(tree.parts):
        for one in _smaller_trees(part):
            yield replace(tree, parts=(*tree.parts[:index], one, *tree.parts[index + 1 :]))
