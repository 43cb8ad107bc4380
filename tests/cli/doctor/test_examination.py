"""What the checks examine."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.doctor.examination import Examination
from gateway.config.load import load_with_origins


def test_the_lists_of_the_system_are_the_default() -> None:
    config, origins = load_with_origins(None, {})
    examination = Examination(config=config, origins=origins)
    assert (examination.mounts, examination.locks) == (Path("/proc/self/mountinfo"), Path("/proc/locks"))
