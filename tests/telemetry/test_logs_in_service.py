"""Logs of a process that serves: a reader of standard error that stands still, and what may appear there."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conftest import GOOD_IMAGE, IMAGES, ROOT
from tests.processes import (
    COMMAND,
    command_with,
    free_ports,
    process_environment,
    serving,
    wait_until_ready,
)

NO_RECORDS = {"GATEWAY__DECISION_LOG__TYPE": "none"}


def create(connection: http.client.HTTPConnection, number: int) -> int:
    body = json.dumps(GOOD_IMAGE | {"name": f"ubuntu-24-{number}"}).encode()
    connection.request("POST", IMAGES, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status


def stop(process: subprocess.Popen[str], timeout_s: float = 60) -> list[dict[str, Any]]:
    """End a gateway by SIGTERM; return the lines of its log, each of which has to be JSON."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=timeout_s)
    assert process.returncode == 0
    return [json.loads(line) for line in err.splitlines()]


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_reader_that_stands_still_holds_up_nothing() -> None:
    with serving("demo", "--delay", "0", **NO_RECORDS) as (process, rest, admin):
        assert process.stderr is not None
        pipe_bytes = fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        connection = http.client.HTTPConnection(rest, timeout=30)
        for number in range(2 * pipe_bytes // 200):  # a line has more than 200 bytes
            assert create(connection, number) == 200
        assert status_of(f"http://{admin}/livez") == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        # Nothing has been read from the pipe, nor is it while the process ends.
        assert process.wait(timeout=30) == 0


def test_what_waits_is_written_at_the_end() -> None:
    with serving("demo", "--delay", "0", **NO_RECORDS) as (process, rest, _):
        connection = http.client.HTTPConnection(rest, timeout=30)
        for number in range(20):
            assert create(connection, number) == 200
        connection.close()
        lines = stop(process)
    assert [line["message"] for line in lines] == ["started", *["responded"] * 20, "stopping"]


def test_durations_are_finer_than_milliseconds() -> None:
    with serving("demo", "--delay", "0", **NO_RECORDS) as (process, rest, admin):
        connection = http.client.HTTPConnection(rest, timeout=30)
        for number in range(5):
            assert create(connection, number) == 200
        connection.close()
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=30) as response:
            metrics = response.read().decode().splitlines()
        lines = stop(process)
    durations = [line["duration_ms"] for line in lines if line["message"] == "responded"]
    assert all(duration > 0 for duration in durations)
    assert any(duration != int(duration) for duration in durations)
    sums = [
        float(line.rpartition(" ")[2])
        for line in metrics
        if "_duration_seconds_sum{" in line and "gc" not in line
    ]
    assert len(sums) == 3  # of requests, of calls of the upstream, of decisions
    assert all(abs(one * 1e3 - round(one * 1e3)) > 1e-6 for one in sums)


def read_terminal(words: tuple[str, ...], **environment: str) -> list[str]:
    """Run a gateway whose standard error is a terminal, make one call, and return the terminal's lines."""
    ours, theirs = pty.openpty()
    ports = free_ports()
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs, text=True,
        env=process_environment(ports, NO_RECORDS, {"TERM": "xterm", "NO_COLOR": ""}, environment),
    )  # fmt: skip
    os.close(theirs)
    try:
        wait_until_ready(f"http://{ports['GATEWAY__ADMIN__LISTEN']}/readyz", process)
        connection = http.client.HTTPConnection(ports["GATEWAY__REST__LISTEN"], timeout=30)
        assert create(connection, 1) == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        text = b""
        with suppress(OSError):  # the terminal has been closed by the process
            while data := os.read(ours, 65536):
                text += data
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return text.decode().splitlines()


def test_a_terminal_shows_readable_lines_in_color() -> None:
    started, responded, stopping = read_terminal(("demo", "--delay", "0"))
    assert "\x1b[32mINFO    \x1b[0m\x1b[1mstarted\x1b[0m" in started
    assert "\x1b[2moutcome=\x1b[0m\x1b[32mok\x1b[0m" in responded
    assert "\x1b[1mstopping\x1b[0m" in stopping


def test_colors_can_be_turned_off() -> None:
    _, responded, _ = read_terminal(("demo", "--delay", "0"), NO_COLOR="1")
    assert "\x1b" not in responded
    assert "INFO    responded call_id=" in responded


def test_a_terminal_shows_json_if_the_configuration_says_so() -> None:
    lines = read_terminal(("demo", "--delay", "0"), GATEWAY__LOG__FORMAT="json")
    assert [json.loads(line)["message"] for line in lines] == ["started", "responded", "stopping"]


def test_text_is_written_to_a_file_without_colors() -> None:
    with serving("demo", "--delay", "0", **NO_RECORDS, GATEWAY__LOG__FORMAT="text") as (process, _, _):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert [line.split()[2] for line in err.splitlines()] == ["started", "stopping"]
    assert "\x1b" not in err


@pytest.mark.parametrize(("words", "count"), [((), 0), (("--log-level", "INFO"), 2)])
def test_the_option_overrides_the_level_of_the_configuration(words: tuple[str, ...], count: int) -> None:
    with serving("demo", *words, **NO_RECORDS, GATEWAY__LOG__LEVEL="ERROR") as (process, _, _):
        assert len(stop(process)) == count


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair = f"{{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}"
    return {"GATEWAY__GRPC__TLS": pair, "GATEWAY__REST__TLS": pair}


def send_garbage(port: int) -> None:
    """Send what is no TLS handshake, and wait until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05nonsense" * 20)
        while connection.recv(4096):
            pass


def test_a_bad_tls_handshake_leaves_no_plain_line(tls: dict[str, str]) -> None:
    grpc = free_ports()["GATEWAY__GRPC__LISTEN"]
    with serving("demo", **NO_RECORDS, **tls, GATEWAY__GRPC__LISTEN=grpc) as (process, rest, _):
        for address in (grpc, rest):
            with suppress(ConnectionError):
                send_garbage(int(address.rpartition(":")[2]))
        lines = stop(process)
    assert [line["message"] for line in lines] == ["started", "stopping"]


def test_an_upstream_out_of_reach_is_reported_in_json() -> None:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))  # and not listening: connections are refused
    address = f"127.0.0.1:{taken.getsockname()[1]}"
    upstream = {
        "GATEWAY__UPSTREAMS__OPERATION__ADDRESS": address,
        "GATEWAY__UPSTREAMS__OPERATION__TLS": "false",
    }
    with taken, serving("serve", **NO_RECORDS, **upstream) as (process, rest, _):
        for number in range(3):
            assert status_of(f"http://{rest}/operations/{number}") == 503
        lines = stop(process)
    (failed,) = [line for line in lines if line["message"] == "upstream failed"]
    assert (failed["level"], failed["upstream"], failed["address"]) == ("WARNING", "operation", address)
    assert (failed["code"], failed["reason"]) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert "Connection refused" in failed["peer_message"]
    assert len([line for line in lines if line["message"] == "responded"]) == 3


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_out_of_reach_is_reported_in_json_and_holds_up_no_stop(protocol: str) -> None:
    collector = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
    }
    command = command_with({"gateway.telemetry.setup.SHUTDOWN_S": 0.3})
    with serving("demo", "--delay", "0", command=command, **NO_RECORDS, **collector) as (process, rest, _):
        assert status_of(f"http://{rest}{IMAGES}?folderId=b1gexample") == 200
        lines = stop(process)
    messages = [line["message"] for line in lines]
    assert "stopping" in messages
    assert "telemetry not sent" in messages
