"""Where values come from: the file, variables that override it, and the defaults."""

from __future__ import annotations

from pathlib import Path

from gateway.config.load import load_with_origins
from gateway.config.origins import Origins
from gateway.documents import load_documents
from gateway.faults import Position

TEXT = """\
rest:
  listen: '[::1]:80'
limits: {body_bytes: 7,
  concurrency: 8}
api:
  descriptor_sets: [a.pb, b.pb]
"""


def make_origins() -> Origins:
    (document,) = load_documents(TEXT, "gateway.yaml")
    return Origins(document)


def test_a_value_of_the_file_has_its_line() -> None:
    origins = make_origins()
    assert origins.source(("rest", "listen")) == "gateway.yaml:2"
    assert origins.source(("limits", "concurrency")) == "gateway.yaml:4"
    assert origins.source(("api", "descriptor_sets")) == "gateway.yaml:6"
    assert origins.source(("rest", "tls")) == "default"


def test_a_missing_key_has_the_position_of_its_section() -> None:
    origins = make_origins()
    assert origins.position(("rest", "tls", "key")) == Position("gateway.yaml", 1, 1)
    assert origins.position(("api", "descriptor_sets", 1)) == Position("gateway.yaml", 6, 27)
    assert origins.position(("nothing",)) == Position("gateway.yaml", 1, 1)
    assert Origins(None).position(("nothing",)) == Position("configuration")


def test_a_variable_replaces_a_value_and_what_is_below_it() -> None:
    origins = make_origins()
    origins.override(("limits",), {"body_bytes": 1}, "LIMITS")
    assert origins.source(("limits", "body_bytes")) == "LIMITS"
    assert origins.source(("limits", "concurrency")) == "default"
    assert origins.position(("limits", "concurrency")) == Position("LIMITS")
    assert origins.source(("rest", "listen")) == "gateway.yaml:2"


def test_sections_that_only_a_variable_has_belong_to_it() -> None:
    origins = make_origins()
    origins.override(("upstreams", "mine", "tls"), value=False, variable="TLS")
    origins.override(("rest", "tls", "key"), "k.pem", "KEY")
    assert origins.position(("upstreams", "mine", "address")) == Position("TLS")
    assert origins.position(("rest", "tls", "certificate")) == Position("KEY")
    assert origins.position(("rest", "print_defaults")) == Position("gateway.yaml", 1, 1)


def test_the_last_variable_decides(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(TEXT)
    environment = {
        "GATEWAY__LIMITS": "{body_bytes: 1, concurrency: 2}",
        "GATEWAY__LIMITS__CONCURRENCY": "3",
        "GATEWAY__API__DESCRIPTOR_SETS": "[]",
    }
    config, origins = load_with_origins(tmp_path / "gateway.yaml", environment)
    assert (config.limits.body_bytes, config.limits.concurrency) == (1, 3)
    assert origins.source(("limits", "body_bytes")) == "GATEWAY__LIMITS"
    assert origins.source(("limits", "concurrency")) == "GATEWAY__LIMITS__CONCURRENCY"
    assert origins.source(("api", "descriptor_sets")) == "GATEWAY__API__DESCRIPTOR_SETS"
    assert origins.position(("api", "descriptor_sets", 0)) == Position("GATEWAY__API__DESCRIPTOR_SETS")
