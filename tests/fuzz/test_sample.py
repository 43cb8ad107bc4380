"""Some requests of what `make fuzz` does, the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.fuzz.fuzzing import DEMO, answers, command, environment, prepare
from tests.processes import serving


def test_sample(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    with serving(*DEMO, GATEWAY__DECISION_LOG__TYPE="none") as (
        _,
        rest,
        admin,
    ):
        prepare(rest, admin, document, images=5)
        done = subprocess.run(
            command(document, rest, seed=1, examples=30, phases="fuzzing"),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        counts = answers(admin)
    assert done.returncode == 0, done.stdout
    assert max(counts) < 500
    assert sum(counts.values()) >= 200
