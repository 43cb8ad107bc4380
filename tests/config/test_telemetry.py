"""The section of telemetry."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.config.telemetry import TelemetrySection
from gateway.faults import FaultsError
from gateway.telemetry import Reason


def test_every_reason_is_kept_by_default() -> None:
    section = TelemetrySection()
    assert set(section.keep) == set(Reason)
    assert (section.trust_remote_context, section.slow_s) == (True, 1)


def test_a_limit_of_slow_calls_that_are_not_kept_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("telemetry:\n  keep: [denied]\n  slow_s: 2\n")
    with pytest.raises(FaultsError) as caught:
        load_config(file, {})
    assert [str(one) for one in caught.value.faults] == [
        f"{file}:3:3: telemetry.slow_s: has no effect, because telemetry.keep does not contain 'slow'"
    ]
