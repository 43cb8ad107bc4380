"""How commands show faults: the line with a caret, in color on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_program import run as run_process
from tests.commands import Finished, run_command
from tests.conftest import ROOT
from tests.processes import COMMAND, process_environment

COLOR = re.compile(r"\x1b\[[0-9;]*m")
POLICY = """\
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {name: p}
spec:
  methods: [ImageService/Create]
  rules:
    - name: r
      assert: >-
        request.name != "" &&
        request.labels.has("env")
"""
SHOWN = """\
p.yaml:5:13: spec.methods[0]: 'ImageService/Create' is no known method; did you mean \
yandex.cloud.baremetal.v1alpha.ImageService/Create?
  5 |   methods: [ImageService/Create]
    |             ^
"""
CONFIG = "rest: {listn: 127.0.0.1:0}\n"
ACCEPTED = "allow_plaintext, listen, max_connections, max_connections_per_address, print_defaults, tls"
CONFIG_SHOWN = f"""\
gateway.yaml:1:8: rest.listn: unknown key; did you mean listen? accepted here: {ACCEPTED}
  1 | rest: {{listn: 127.0.0.1:0}}
    |        ^
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    binding = "---\napiVersion: baremetal-gateway/v1\nkind: Binding\nmetadata: {name: b}\nspec: {policy: p}\n"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/p.yaml").write_text(POLICY + binding)
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    return tmp_path


def run(folder: Path, *words: str) -> Finished:
    return run_command(*words, cwd=folder)


def run_on_terminal(folder: Path, *words: str, **environment: str) -> str:
    """Run a command whose standard error is a terminal, and return what it shows there."""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=folder,
            env=process_environment({"PYTHONPATH": str(ROOT)}, environment),
            stdout=subprocess.DEVNULL,
            stderr=follower,
        )
        os.close(follower)
        shown = b""
        try:
            while part := screen.read(65536):
                shown += part
        except OSError:  # how Linux says that nobody writes to the terminal any more
            pass
        process.wait(60)
    return shown.decode().replace("\r\n", "\n")


CASES = {
    "check": (["policy", "check", "rules"], SHOWN, 1),
    "test": (["policy", "test", "rules"], SHOWN, 1),
    "explain": (["policy", "explain", "--bundle", "rules"], SHOWN, 1),
    "a configuration": (["policy", "check", "rules", "--config", "gateway.yaml"], CONFIG_SHOWN, 2),
    "serve": (["serve", "--config", "gateway.yaml"], CONFIG_SHOWN, 2),
    "routes": (["routes", "--config", "gateway.yaml"], CONFIG_SHOWN, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_shows_its_line_with_a_caret(folder: Path, name: str) -> None:
    words, shown, code = CASES[name]
    done = run_process(*words, cwd=folder) if words[0] == "serve" else run(folder, *words)
    assert (done.returncode, done.stderr) == (code, shown)


def test_serve_shows_the_faults_of_a_bundle(folder: Path) -> None:
    (folder / "gateway.yaml").write_text("policies: {path: rules}\n")
    done = run_process("serve", "--config", "gateway.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (2, SHOWN)


def test_a_fault_is_in_color_on_a_terminal(folder: Path) -> None:
    shown = run_on_terminal(folder, "policy", "check", "rules", NO_COLOR="", TERM="xterm")
    assert COLOR.search(shown)
    assert COLOR.sub("", shown) == SHOWN


def test_no_color_is_honoured(folder: Path) -> None:
    assert run_on_terminal(folder, "policy", "check", "rules", NO_COLOR="1", TERM="xterm") == SHOWN


def test_a_caret_points_into_a_folded_text(folder: Path) -> None:
    file = folder / "rules/p.yaml"
    file.write_text(file.read_text().replace("[ImageService/Create]", "['*ImageService/Create']"))
    done = run(folder, "policy", "check", "rules")
    assert done.stderr.endswith('  10 |         request.labels.has("env")\n     |                        ^\n')


@pytest.mark.skipif(os.geteuid() == 0, reason="root may search every folder")
def test_a_path_in_a_folder_that_may_not_be_searched_is_reported(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)
    done = run(folder, "policy", "check", "closed/p.yaml")
    assert done.returncode == 2
    assert "Path 'closed/p.yaml' cannot be read: Permission denied." in done.stderr
