"""A record with everything that one can have."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.call import Caller
from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import CREATE, NOW, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.records import make_record

if TYPE_CHECKING:
    from gateway.schema import Schema


LINK = "https://storage.yandexcloud.net/golden-images/a.iso"


CALLER = Caller(
    id="me", kind="jwt", groups=("a", "b"), address="192.0.2.1", claims={"iss": "https://id.example"}
)


FACTS = [
    "objectStorage(request.uri).problem == ''",
    "objectStorage(request.uri).presigned",
    "objectStorage(request.uri).expires > now + duration('30m')",
    "objectStorage(request.uri).bucket == 'golden-images'",
    "objectStorage(request.uri).key == 'a.iso'",
    "objectStorage(request.uri).scheme == 'https'",
    "objectStorage(request.uri).style == 'path'",
]


def decide(schema: Schema, *documents: str, caller: Caller = CALLER, **fields: Any) -> Decision:
    bundle = load_bundle(BundleFiles({"b.yaml": "".join(documents)}), schema)
    request = schema.known[CREATE].request(**fields)
    return Decider(bundle).decide(PolicyInput(CREATE, request, caller, NOW))


def record_of(schema: Schema, decision: Decision, hosts: Hosts = DEFAULT_HOSTS) -> dict[str, Any]:
    record = make_record(decision, schema, hosts)
    read: dict[str, Any] = json.loads(json.dumps(record, ensure_ascii=False))
    assert read == record  # JSON values only
    return read


@pytest.fixture
def record(schema: Schema) -> dict[str, Any]:
    policy = policy_text(
        {"assert": "false", "field": "name", "message": "'no'", "fix": "'yes'", "severity": "high"},
        "request.labels['x'] == 'y'",
        "false",
        set=[{"field": "description", "value": "'d'"}],
    )
    decision = decide(schema, policy, binding_text(), waiver_text(rules=["r2"]), name="n", uri=LINK)
    return record_of(schema, replace(decision, id="id", duration_ns=12_345))
