"""The registry of sinks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.sinks import CHECKS, SINKS, SinkError, SinkName, check_sink, open_sink
from gateway.sinks.file import FileSink
from gateway.sinks.stdout import StdoutSink


def test_every_name_has_a_sink() -> None:
    assert set(SINKS) == set(SinkName)
    assert set(CHECKS) <= set(SinkName)


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


def test_a_check_finds_what_opening_finds_and_changes_nothing(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_text("{")
    os.mkfifo(tmp_path / "fifo")
    for name in ("torn.jsonl", "new.jsonl", "no/x", "fifo", ".", "x" * 300):
        section = load_config(None, {"GATEWAY__DECISION_LOG__PATH": str(tmp_path / name)}).decision_log
        checked: SinkError | None = None
        try:
            check_sink(SinkName.FILE, section)
        except SinkError as error:
            checked = error
        assert torn.read_text() == "{"
        assert not (tmp_path / "new.jsonl").exists()
        if name in {"torn.jsonl", "new.jsonl"}:
            assert checked is None
            continue
        with pytest.raises(SinkError) as caught:
            open_sink(SinkName.FILE, section)
        opened = caught.value
        assert checked is not None
        assert (checked.place, checked.key, checked.reason) == (opened.place, opened.key, opened.reason)
    for kind in (SinkName.STDOUT, SinkName.NONE):
        check_sink(kind, load_config(None, {}).decision_log)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_a_check_finds_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    path = tmp_path / "closed/x.jsonl"
    section = load_config(None, {"GATEWAY__DECISION_LOG__PATH": str(path)}).decision_log
    with pytest.raises(SinkError, match="Permission denied"):
        check_sink(SinkName.FILE, section)
