"""The registry of sinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.sinks import SINKS, SinkError, SinkName, open_sink
from gateway.sinks.file import FileSink
from gateway.sinks.stdout import StdoutSink


def test_every_name_has_a_sink() -> None:
    assert set(SINKS) == set(SinkName)


def test_a_sink_is_opened_with_its_section(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    environment = {"GATEWAY__DECISION_LOG__TYPE": "file", "GATEWAY__DECISION_LOG__PATH": str(path)}
    config = load_config(None, environment)
    section = config.decision_log
    sink = open_sink(config.sink, section)
    assert isinstance(sink, FileSink)
    sink.write(b"{}\n")
    sink.close()
    assert path.read_bytes() == b"{}\n"
    assert isinstance(open_sink(SinkName.STDOUT, section), StdoutSink)
    assert open_sink(SinkName.NONE, section) is None


def test_a_file_that_cannot_be_opened_names_file_key_and_reason(tmp_path: Path) -> None:
    section = load_config(None, {"GATEWAY__DECISION_LOG__PATH": str(tmp_path / "no" / "x")}).decision_log
    with pytest.raises(SinkError) as caught:
        open_sink(SinkName.FILE, section)
    error = caught.value
    assert (error.place, error.key) == (str(tmp_path / "no" / "x"), "path")
    assert error.reason == "cannot be opened: No such file or directory"
