from __future__ import annotations

import re

from gateway.emulator.model import IMAGE_PREFIX, OPERATION_PREFIX, make_id


def test_ids_have_the_clouds_shape() -> None:
    for prefix in (IMAGE_PREFIX, OPERATION_PREFIX):
        made = make_id(prefix)
        assert made.startswith(prefix)
        assert re.fullmatch("[a-z][a-z0-9]{19}", made)


def test_ids_differ() -> None:
    assert len({make_id(IMAGE_PREFIX) for _ in range(100)}) == 100
