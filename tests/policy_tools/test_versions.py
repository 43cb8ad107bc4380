"""Rules that leave out another version of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.bundles import read_bundle
from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import find_uncovered_versions, find_weaknesses
from gateway.schema import load_schema
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, SERVICE, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema

V2 = "yandex.cloud.baremetal.v2.BootImageService"
CREATE_V2 = f"{V2}/CreateBootImage"
FORGOTTEN = (
    "warning: bundle: {}: no enforced rule applies to it, but {} does the same and has rules; "
    "its calls are refused"
).format
LEFT_OUT = (
    "warning: a.yaml:{}: spec.methods: applies to {}, but not to {}, which does the same; name it too"
).format


def policy(name: str, *methods: str, **binding: Any) -> str:
    """Return a policy of one rule for some methods, and its binding."""
    return policy_text("method != ''", name=name, methods=list(methods)) + binding_text(name, name, **binding)


def find(schema: Schema, *texts: str) -> list[str]:
    bundle = load_bundle(BundleFiles({"a.yaml": "".join(texts)}), schema)
    return [str(one) for one in find_uncovered_versions(bundle, schema)]


FOUND: dict[str, tuple[str, list[str]]] = {
    "both versions": (policy("p", CREATE, CREATE_V2), []),
    "only the older version": (policy("p", CREATE), [FORGOTTEN(CREATE_V2, CREATE)]),
    "only the newer version": (policy("p", CREATE_V2), [FORGOTTEN(CREATE, CREATE_V2)]),
    "a warning is not enforced": (
        policy("p", CREATE) + policy("q", CREATE_V2, action="warn"),
        [FORGOTTEN(CREATE_V2, CREATE)],
    ),
    "nothing is enforced": (policy("p", CREATE, action="audit"), []),
    "one of two policies": (
        policy("p", CREATE, CREATE_V2) + policy("q", CREATE),
        [LEFT_OUT("26:3", CREATE, CREATE_V2)],
    ),
    "a policy that only the newer version needs": (
        policy("p", CREATE, CREATE_V2) + policy("q", CREATE_V2),
        [],
    ),
    "another change": (
        policy("p", f"{SERVICE}/Delete"),
        [FORGOTTEN(f"{V2}/DeleteBootImage", f"{SERVICE}/Delete")],
    ),
    "a read": (policy("p", f"{SERVICE}/Get"), []),
    "another service": (policy("p", "yandex.cloud.operation.OperationService/Cancel"), []),
}


@pytest.mark.parametrize("name", FOUND)
def test_finds_what_is_left_out(schema: Schema, name: str) -> None:
    text, expected = FOUND[name]
    assert find(schema, text) == expected


def test_a_version_that_is_not_served_is_not_reported() -> None:
    schema = load_schema([SERVICE])
    assert find(schema, policy("p", CREATE)) == []


def test_a_method_is_reported_once(schema: Schema) -> None:
    bundle = load_bundle(BundleFiles({"a.yaml": policy("p", CREATE)}), schema)
    found = [str(one) for one in find_weaknesses(bundle, schema, NOW)]
    assert [one for one in found if CREATE_V2 in one] == [FORGOTTEN(CREATE_V2, CREATE)]


def test_the_bundle_that_ships_leaves_nothing_out(schema: Schema) -> None:
    bundle = load_bundle(read_bundle(ROOT / "policies"), schema)
    assert find_uncovered_versions(bundle, schema) == []
    assert find_weaknesses(bundle, schema, NOW) == []
