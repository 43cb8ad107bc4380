"""What is too large for policies is refused before any of them is evaluated."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.expressions import InputLimits
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy.input_size import TOO_LARGE, InputSize
from gateway.schema import descriptor_of
from tests.conftest import GOOD_IMAGE
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.schema import Schema
    from tests.conftest import Start

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
UPDATE, LIST = f"{SERVICE}/Update", f"{SERVICE}/List"
LIMITS = InputLimits(text=10, elements=3)

MESSAGES: list[tuple[str, dict[str, Any], list[str]]] = [
    (LIST, {"filter": "f" * 10, "order_by": "o", "page_token": "t"}, []),
    (LIST, {"filter": "f" * 11}, ["filter"]),
    (LIST, {"filter": "ё" * 11, "page_token": "t" * 99}, ["page_token", "filter"]),
    # Bounded by the API's own constraints.
    (LIST, {"folder_id": "f" * 50}, []),
    (UPDATE, {"description": "d" * 1024, "labels": {f"a{n}": "v" for n in range(64)}}, []),
    (UPDATE, {"update_mask": {"paths": ["a"] * 3}}, []),
    (UPDATE, {"update_mask": {"paths": ["a"] * 4}}, ["update_mask.paths"]),
    (UPDATE, {"update_mask": {"paths": ["a", "b" * 11]}}, ["update_mask.paths[1]"]),
]


@pytest.mark.parametrize(("method", "fields", "oversized"), MESSAGES)
def test_fields_without_a_bound(
    schema: Schema, method: str, fields: dict[str, Any], oversized: list[str]
) -> None:
    request = schema.known[method].request
    find = InputSize(LIMITS).compile(descriptor_of(request))
    assert find is not None
    found = find(request(**fields))
    assert sorted(one.field for one in found) == sorted(oversized)
    assert {one.reason for one in found} <= {TOO_LARGE}


def test_a_type_whose_fields_are_all_bounded_has_no_check(schema: Schema) -> None:
    assert InputSize(LIMITS).compile(descriptor_of(schema.known[CREATE].request)) is None


STRUCTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"a": 1, "b": [1, 2, 3]}, []),
    ({"a": [1, 2, 3, 4]}, ['fields["a"].list_value.values']),
    ({"a": {"b": "x" * 11}}, ['fields["a"].struct_value.fields["b"].string_value']),
    ({"k" * 11: 1}, [f'fields["{"k" * 11}"]']),
    ({"a": 1, "b": 2, "c": 3, "d": 4}, ["fields"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "oversized"), STRUCTS)
def test_types_that_hold_themselves(schema: Schema, value: dict[str, Any], oversized: list[str]) -> None:
    struct = schema.message("google.protobuf.Struct")
    find = InputSize(LIMITS).compile(descriptor_of(struct))
    message: Any = struct()
    message.update(value)
    assert find is not None
    assert [one.field for one in find(message)] == oversized


def test_what_an_any_holds_counts_by_its_bytes(schema: Schema) -> None:
    kind = schema.message("google.protobuf.Any")
    find = InputSize(LIMITS).compile(descriptor_of(kind))
    assert find is not None
    assert [one.field for one in find(kind(value=b"x" * 11))] == ["value"]


def test_the_violation_says_what_and_which_limit(schema: Schema) -> None:
    find = InputSize(LIMITS).compile(descriptor_of(schema.known[LIST].request))
    assert find is not None
    (violation,) = find(schema.known[LIST].request(filter="f" * 2000))
    assert violation.description == (
        "is 2,000 characters long; policies evaluate at most 10 (limits.policy_text of the gateway)"
    )


def make_rules() -> str:
    """Rules that are cheap for what they may be given, and were not for 60 kB."""
    rules = [
        "request.filter.split('').map(c, c) != ['x']",
        "request.filter.split('').all(a, a != 'no')",
        "request.order_by + request.filter.replace('a', 'bb') != 'x'",
    ]
    return policy_text(*rules, methods=[LIST]) + binding_text()


def test_a_larger_limit_costs_more(schema: Schema) -> None:
    files = BundleFiles({"bundle.yaml": make_rules()})
    load_bundle(files, schema, limits=InputLimits(text=1024))
    with pytest.raises(Exception, match="too large"):
        load_bundle(files, schema, limits=InputLimits(text=65536))


def test_the_largest_input_takes_little(schema: Schema) -> None:
    limits = InputLimits(text=1024)
    decider = Decider(load_bundle(BundleFiles({"bundle.yaml": make_rules()}), schema, limits=limits))
    request = schema.known[LIST].request(filter="a" * 1024, order_by="b" * 1024)
    assert decider.find_oversized(LIST, request) == []
    started = time.process_time()
    decider.decide(PolicyInput(LIST, request, UNKNOWN_CALLER, NOW))
    assert time.process_time() - started < 2


async def test_a_request_too_large_for_its_policies_is_invalid(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bundle.yaml").write_text(make_rules())
    running = await start(policies__path=tmp_path, limits__policy_text=1024)
    url = running.url("/baremetal/v1alpha/images")
    async with running.client.get(url, params={"folderId": "b1gexample", "filter": "f" * 5000}) as response:
        answer = await response.json()
    assert response.status == 400
    (violation,) = answer["details"][1]["fieldViolations"]
    assert violation["field"] == "filter"
    assert violation["reason"] == TOO_LARGE
    async with running.client.get(url, params={"folderId": "b1gexample", "filter": ""}) as response:
        assert response.status == 200
    assert len(running.emulator.calls) == 1


async def test_a_method_without_policies_has_no_such_limit(start: Start) -> None:
    running = await start(limits__policy_text=64)
    url = running.url("/baremetal/v1alpha/images")
    async with running.client.get(url, params={"folderId": "b1gexample", "orderBy": "o" * 900}) as response:
        await response.read()
    assert len(running.emulator.calls) == 1
    async with running.client.post(url, json=GOOD_IMAGE) as response:
        assert response.status == 200
