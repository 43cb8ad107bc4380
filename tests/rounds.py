"""How often tests repeat what they check: a sample for each commit, far more in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import settings

IS_LONG = os.environ.get("GATEWAY_TEST_LONG") == "1"


def rounds(sample: int, long: int) -> int:
    """Return the number of rounds of this run."""
    return long if IS_LONG else sample


def examples(sample: int, long: int) -> settings:
    """Return the settings of a property test: the same examples in each run, however slow the machine is."""
    return settings(derandomize=True, deadline=None, max_examples=rounds(sample, long))
