from __future__ import annotations

import pytest

from gateway.policy.method_names import suggest_method
from tests.policy.conftest import Refuse
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text

KNOWN = [CREATE, f"{SERVICE}/Get", "yandex.cloud.operation.OperationService/Get"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ImageService/Create", CREATE),
        ("ImageService.Create", CREATE),
        ("imageservice/create", CREATE),
        ("Create", CREATE),
        (f"/{CREATE}", CREATE),
        (f"{SERVICE}/Creat", CREATE),
        ("OperationService/Get", KNOWN[2]),
        ("ImageService/*", f"{SERVICE}/*"),
        ("Images/*", None),
        ("*", None),
        ("", None),
        ("Unheard", None),
    ],
)
def test_suggests_the_method_that_was_meant(name: str, meant: str | None) -> None:
    assert suggest_method(name, KNOWN) == (f"; did you mean {meant}?" if meant else "")


def test_a_method_without_its_package(refuse: Refuse) -> None:
    (fault,) = refuse(policy_text("request.name != ''", methods=["ImageService/Create"]), binding_text())
    assert fault.endswith(
        f"spec.methods[0]: 'ImageService/Create' is no known method; did you mean {CREATE}?"
    )
