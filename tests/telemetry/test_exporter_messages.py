"""What exporters log is gathered, for the thread that exports."""

from __future__ import annotations

import logging
import threading

import pytest

from gateway.telemetry import ExporterMessages


def test_only_the_lines_of_this_thread_are_gathered() -> None:
    with ExporterMessages() as messages:
        other = threading.Thread(target=logging.getLogger("opentelemetry.x").error, args=["other"])
        other.start()
        other.join()
        logging.getLogger("opentelemetry.x").error("own; password=canary")
    logging.getLogger("opentelemetry.x").error("later")
    assert (messages.texts, messages.reason) == (["own; password=…"], "own; password=…")


def test_without_a_line_the_reason_is_a_fixed_text() -> None:
    with ExporterMessages() as messages:
        pass
    assert messages.reason.startswith("the collector does not accept it")


def test_lines_are_gathered_when_records_do_not_know_their_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "logThreads", False)  # as configure_logs() sets it
    with ExporterMessages() as messages:
        logging.getLogger("opentelemetry.x").error("own")
    assert messages.reason == "own"
