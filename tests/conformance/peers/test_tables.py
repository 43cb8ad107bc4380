"""The tables themselves: names told apart, keys that a test reads, reasons where ours differs."""

from __future__ import annotations

import pytest

from tests.conformance.peers.cases import read_table, tables

# What a case may have beside its name and why it differs; another key would be one that no test reads.
KEYS = {
    "advisories": {"request", "headers", "body", "status", "fields", "reached", "path"},
    "headers": {"sent", "passed", "refused"},
    "masks": {"request", "body", "mask", "refused"},
    "paths": {"request", "message", "refused"},
    "query": {"request", "body", "message", "refused"},
    "routes": {"routes", "request", "route", "captured", "allowed", "nothing", "refused"},
    "scalars": {"field", "text", "value", "only"},
    "templates": {"template", "segments", "custom_verb", "variables", "says", "at"},
    "timeouts": {"text", "limit", "seconds"},
    "wellknown": {"field", "text", "value", "only"},
    "written": {"text", "json"},
}


def test_every_table_is_known() -> None:
    assert tables() == sorted(KEYS)


@pytest.mark.parametrize("table", sorted(KEYS))
def test_table(table: str) -> None:
    for section, cases in read_table(table).items():
        names = [case["name"] for case in cases]
        assert len(names) == len(set(names)), section
        for case in cases:
            assert case.keys() - {"name", "differs"} <= KEYS[table], case["name"]
            assert isinstance(case["name"], str)
            assert len(case.get("differs", "as above")) > 5


def test_the_tables_are_large() -> None:
    assert sum(len(cases) for table in KEYS for cases in read_table(table).values()) > 450
