"""The order of maps: the same in every process, wherever an expression shows it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.processes import without_coverage

if TYPE_CHECKING:
    from tests.policy.conftest import Decide

KEYS = [f"key-{number}" for number in (7, 3, 9, 1, 5, 2, 8, 0, 6, 4)]
LABELS = {key: key[-1] for key in KEYS}
IN_ORDER = "".join(sorted(key[-1] for key in KEYS))

ORDERED = [
    "request.labels.map(k, request.labels[k]).join('')",
    "request.labels.filter(k, k != '').map(k, request.labels[k]).join('')",
    "request.labels.transformList(k, v, v).join('')",
    "params.map.map(k, params.map[k]).join('')",
    "request.labels.unknown([]).map(k, request.labels[k]).join('')",
]


@pytest.mark.parametrize("text", ORDERED)
def test_maps_are_gone_over_in_the_order_of_their_keys(evaluate: Decide, text: str) -> None:
    binding = {"params": {"map": LABELS}} if "params" in text else {}
    assert evaluate(f"{text} == '{IN_ORDER}'", binding=binding, labels=LABELS).is_allowed


def test_a_map_that_a_loop_goes_over_is_sorted_too(evaluate: Decide) -> None:
    assert evaluate(f"[request.labels].all(m, m.map(k, k) == {sorted(KEYS)})", labels=LABELS).is_allowed


def test_keys_of_other_types_are_sorted_as_such(evaluate: Decide) -> None:
    assert evaluate("{10: 'b', 9: 'a', 11: 'c'}.map(k, string(k)).join(' ') == '9 10 11'").is_allowed
    assert evaluate("{true: 1, false: 2}.map(k, string(k)).join(' ') == 'false true'").is_allowed


MESSAGE = """
from gateway.policy.bundle_files import BundleFiles
from gateway.config import Config
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.schema import load_schema
from tests.expressions.test_linker import LABELS
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

rule = {"assert": "request.labels.all(k, k.inCidr('10.0.0.0/8'))", "message": "'x'"}
other = {"assert": "false", "message": "request.labels.map(k, k + '=' + request.labels[k]).join(',')"}
schema = load_schema(Config().services)
decider = Decider(load_bundle(BundleFiles({"b.yaml": policy_text(rule, other) + binding_text()}), schema))
request = schema.known[CREATE].request(labels=LABELS)
decision = decider.decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
print([one.message for one in decision.violations])
"""


def test_messages_are_the_same_in_every_process() -> None:
    said = set()
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-c", MESSAGE],
            cwd=ROOT,
            env=without_coverage() | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1
    assert "key-0=0,key-1=1,key-2=2" in said.pop()
