"""The value of one expression for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.call import Caller
from gateway.expressions import EvaluationError
from gateway.faults import FaultsError
from gateway.object_storage import DEFAULT_HOSTS
from gateway.policy import PolicyInput
from gateway.policy_tools import Evaluation, evaluate_expression
from tests.policy.making import CREATE, NOW
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"


def evaluate(schema: Schema, text: str) -> Evaluation:
    request = schema.known[CREATE].request(name="n", uri=sign_link(LINK), labels={"env": "dev"})
    caller = Caller(id="me", groups=("admins",), address="10.0.0.1", claims={"team": "infra"})
    return evaluate_expression(text, PolicyInput(CREATE, request, caller, NOW), schema, DEFAULT_HOSTS)


VALUES: dict[str, tuple[Any, str]] = {
    'request.name.startsWith("n")': (True, "bool"),
    "request.name": ("n", "string"),
    "size(request.labels)": (1, "int"),
    "1.5": (1.5, "double"),
    "request.labels": ({"env": "dev"}, "map(string, string)"),
    "[1, 2].map(one, one * 2)": ([2, 4], "list(int)"),
    "now": ("2026-01-01T00:00:00Z", "timestamp"),
    'duration("90s")': ("90s", "duration"),
    "null": (None, "null"),
    "method": (CREATE, "string"),
    "caller.groups + [caller.id, caller.address, caller.claims.team]": (
        ["admins", "me", "10.0.0.1", "infra"],
        "list(string)",
    ),
    "objectStorage(request.uri).bucket": ("golden-images", "string"),
    "dyn(1)": (1, "dyn"),
    'b"\\xff"': ("/w==", "bytes"),
    "-1.0 / 0.0": ("-Infinity", "double"),
    "0.0 / 0.0": ("NaN", "double"),
    "18446744073709551615u": (18446744073709551615, "uint"),
    "{1: [2]}": ({"1": [2]}, "map(int, list(int))"),
}


@pytest.mark.parametrize("text", VALUES)
def test_gives_the_value_and_its_type(schema: Schema, text: str) -> None:
    assert evaluate(schema, text) == Evaluation(*VALUES[text])


def test_a_message_is_an_object(schema: Schema) -> None:
    found = evaluate(schema, "objectStorage(request.uri)")
    assert found.value["bucket"] == "golden-images"
    assert found.type == "baremetal_gateway.v1.ObjectStorageLink"


@pytest.mark.parametrize("text", ["request.uri", "[request.uri]", "{request.uri: request.uri}", "request"])
def test_hides_secrets(schema: Schema, text: str) -> None:
    assert SIGNATURE not in str(evaluate(schema, text).value)


FAULTS = {
    "request.nam": "expression:1:9: undefined field 'nam'",
    "true and\n  request.name": "expression:1:6: write && instead of and",
    "params.buckets": "expression:1:1: there are no parameters here, a binding gives them",
    "": "expression:1:1: an expression has 1 to 4096 characters",
    "'" + "a" * 4096 + "'": "expression:1:1: an expression has 1 to 4096 characters",
}


@pytest.mark.parametrize(
    ("text", "start"), FAULTS.items(), ids=[str(number) for number in range(len(FAULTS))]
)
def test_reports_what_is_wrong_with_an_expression(schema: Schema, text: str, start: str) -> None:
    with pytest.raises(FaultsError) as caught:
        evaluate(schema, text)
    assert str(caught.value).startswith(start)


def test_has_no_value_where_there_is_none(schema: Schema) -> None:
    with pytest.raises(EvaluationError, match="Key not found"):
        evaluate(schema, 'request.labels["owner"]')
