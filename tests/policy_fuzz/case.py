"""Random bundles and requests, and what the oracle makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, TypeAlias

import yaml

from gateway.call import Caller
from tests.policy.making import CREATE, binding_text, policy_text
from tests.policy_fuzz.growth import FIELDS, KEYS, WORDS, Grower
from tests.policy_fuzz.oracle import Form, Outcome, Request, World, outcome_of
from tests.policy_fuzz.tree import Kind, Tree, Value, to_cel, walk

Broken: TypeAlias = tuple[str, str, bool]
"""Name of the binding, name of the rule, and whether it is an error."""

ACTIONS = ("deny", "deny", "warn", "audit")
DEPTH = 4
PARAMETERS: dict[str, Kind] = {
    "flag": "bool",
    "limit": "int",
    "word": "text",
    "words": "texts",
    "numbers": "ints",
    "owners": "map",
}
_VARIABLE_KINDS: tuple[Kind, ...] = ("bool", "int", "text", "text", "texts", "bag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy; its rules are called r0, r1, …"""

    name: str
    variables: Mapping[str, Tree]
    rules: Mapping[str, Tree]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A policy in force.

    Attributes:
        shared: parameters taken from a document of their own.
        own: parameters of the binding, before those.
    """

    name: str
    policy: Policy
    action: str
    when: Tree | None
    shared: Mapping[str, Value]
    own: Mapping[str, Value]

    @property
    def parameters(self) -> dict[str, Value]:
        return {**self.shared, **self.own}

    def world(self, request: Request, oddities: Mapping[str, Form] = MappingProxyType({})) -> World:
        """Return what names stand for when the request is evaluated."""
        return World(
            request=request,
            method=CREATE,
            parameters=self.parameters,
            variables=self.policy.variables,
            oddities=oddities,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request comes to by a bundle.

    Attributes:
        broken: rules that it does not meet.
        outcome: allow or deny.
        rules: how many rules came to what.
    """

    broken: frozenset[Broken]
    outcome: str
    rules: tuple[Outcome, ...] = ()


def documents_of(bindings: tuple[Binding, ...]) -> str:
    """Write a bundle."""
    policies = {binding.policy.name: binding.policy for binding in bindings}
    return "".join([*map(_policy_text, policies.values()), *map(_binding_text, bindings)])


def _policy_text(policy: Policy) -> str:
    variables = {name: to_cel(tree) for name, tree in policy.variables.items()}
    rules = [{"name": name, "assert": to_cel(tree)} for name, tree in policy.rules.items()]
    return policy_text(*rules, name=policy.name, variables=variables)


def _binding_text(binding: Binding) -> str:
    spec: dict[str, Any] = {"action": binding.action, "params": dict(binding.own)}
    if binding.when is not None:
        spec["when"] = to_cel(binding.when)
    if not binding.shared:
        return binding_text(binding.name, binding.policy.name, **spec)
    shared = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Params",
        "metadata": {"name": f"{binding.name}-shared"},
        "spec": dict(binding.shared),
    }
    text = "---\n" + yaml.safe_dump(shared, sort_keys=False, width=10_000)
    return text + binding_text(
        binding.name, binding.policy.name, paramsFrom=[f"{binding.name}-shared"], **spec
    )


def expect(bindings: tuple[Binding, ...], request: Request) -> Verdict:
    """Say what has to be decided."""
    broken: set[Broken] = set()
    rules: list[Outcome] = []
    denied = False
    for binding in bindings:
        world = binding.world(request)
        applies = "true" if binding.when is None else outcome_of(binding.when, world)
        if applies == "false":
            continue
        found: set[Broken] = {(binding.name, "when", True)} if applies == "error" else set()
        for name, tree in binding.policy.rules.items():
            outcome = outcome_of(tree, world)
            rules.append(outcome)
            if outcome != "true":
                found.add((binding.name, name, outcome == "error"))
        denied = denied or (bool(found) and binding.action == "deny")
        broken |= found
    return Verdict(frozenset(broken), "deny" if denied else "allow", tuple(rules))


def make_bindings(random: Random) -> tuple[Binding, ...]:
    """Make up a bundle: its bindings, with the policies that they put in force."""
    policies = [_make_policy(random, f"p{index}") for index in range(random.randint(1, 2))]
    bound = [*policies, *random.choices(policies, k=random.randint(0, 2))]
    return tuple(_make_binding(random, f"b{index}", policy) for index, policy in enumerate(bound))


def _make_policy(random: Random, name: str) -> Policy:
    grower = Grower(random, PARAMETERS, {})
    variables = {}
    for index in range(random.randint(0, 3)):
        kind = random.choice(_VARIABLE_KINDS)
        variables[f"v{index}"] = grower.grow(kind, DEPTH - 1)
        grower.declare(f"v{index}", kind)
    rules = {
        f"r{index}": grower.grow("bool", random.randint(2, DEPTH)) for index in range(random.randint(1, 5))
    }
    return Policy(name=name, variables=variables, rules=rules)


def _make_binding(random: Random, name: str, policy: Policy) -> Binding:
    when = (
        Grower(random, PARAMETERS, {}).grow("bool", random.randint(1, 3)) if random.random() < 0.5 else None
    )
    trees = [*policy.variables.values(), *policy.rules.values(), *([when] if when else [])]
    read = {str(one.value) for tree in trees for one in walk(tree) if one.operator == "parameter"}
    values = {name: _make_parameter(random, kind) for name, kind in PARAMETERS.items()}
    shared = values if random.random() < 0.5 else {}
    own = {
        one: _make_parameter(random, PARAMETERS[one])
        for one in sorted(read)
        if not shared or random.random() < 0.5
    }
    return Binding(name=name, policy=policy, action=random.choice(ACTIONS), when=when, shared=shared, own=own)


def _make_parameter(random: Random, kind: Kind) -> Value:
    match kind:
        case "bool":
            return random.random() < 0.5
        case "int":
            return random.randint(-3, 6)
        case "texts":
            return random.choices(WORDS, k=random.randint(1, 4))
        case "ints":
            return [random.randint(-3, 3) for _ in range(random.randint(1, 4))]
        case "map":
            return {key: random.choice(WORDS) for key in random.sample(KEYS, random.randint(1, 3))}
    return random.choice(WORDS)


def make_requests(random: Random, count: int) -> Iterator[Request]:
    """Make up requests."""
    for _ in range(count):
        keys = random.sample((*KEYS, *WORDS[1:5]), random.choice((0, 1, 2, 3, 5)))
        yield Request(
            fields={name: _make_text(random) for name in FIELDS},
            labels={key: _make_text(random) for key in keys},
            caller=_make_text(random),
            groups=tuple(random.choices(WORDS, k=random.randint(0, 3))),
        )


def _make_text(random: Random) -> str:
    text = random.choice(WORDS)
    if random.random() < 0.2:
        text += random.choice((*WORDS, "\0b", "\n", "/"))
    return text


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    return Caller(id=request.caller, kind="jwt", groups=request.groups)
