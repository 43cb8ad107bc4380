"""The range of the timeout in the OpenAPI document."""

from __future__ import annotations

import json
import re

import pytest

from gateway.config import Config
from gateway.openapi.timeouts import seconds_pattern
from gateway.serving.sources import describe_api


@pytest.mark.parametrize("longest", [0, 1, 9, 10, 11, 60, 99, 100, 300, 3600])
def test_the_pattern_accepts_the_range(longest: int) -> None:
    pattern = re.compile(seconds_pattern(longest))
    accepted = {number for number in range(4000) if pattern.search(f"{number}s")}
    assert accepted == set(range(longest + 1))
    assert bool(pattern.search("0.999999999s")) == (longest > 0)
    assert pattern.search(f"{longest}.000s")
    for text in (f"{longest}.1s", "-1s", "1", "s", f"{longest}.s", ".5s"):
        assert not pattern.search(text)


def test_the_document_has_the_configured_range() -> None:
    config = Config.model_validate({"limits": {"wait_s": 45}})
    operation = json.loads(describe_api(config))["paths"]["/operations/{operationId}:wait"]["get"]
    (timeout,) = [one for one in operation["parameters"] if one.get("name") == "timeout"]
    assert timeout["schema"] == {"type": "string", "pattern": seconds_pattern(45)}
    assert timeout["description"].endswith("\nFrom 0s to 45s.")
