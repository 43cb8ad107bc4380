"""Names of methods in the configuration: each one must be served."""

from __future__ import annotations

import pytest

from gateway.config import Config, Limits
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.faults import FaultsError
from gateway.limits import check_methods
from gateway.schema import load_schema

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
SOME = CallLimits(rate=Rate(1, 1))


def test_every_unknown_method_is_a_fault_with_advice() -> None:
    schema = load_schema(Config().served)
    known = {f"{SERVICE}/Create": SOME, "baremetal_gateway.v1.Operations/Wait": SOME}
    check_methods(Limits(per_method=known), schema)
    unknown = {f"{SERVICE}/Creat": SOME, "Create": SOME, f"/{SERVICE}/Create": SOME}
    with pytest.raises(FaultsError) as caught:
        check_methods(Limits(per_method=known | unknown), schema)
    faults = [str(fault) for fault in caught.value.faults]
    assert len(faults) == 3
    assert faults[0] == (
        f"configuration: limits.per_method.{SERVICE}/Creat: no method of this name is served; "
        f"did you mean {SERVICE}/Create?"
    )
