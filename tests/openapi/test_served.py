"""The document as the admin listener serves it, and as the command prints it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.commands import run_command
from tests.conftest import Running
from tests.processes import serving


async def test_of_the_admin_listener(running: Running) -> None:
    async with running.client.get(running.admin("/openapi.json")) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        document = await answer.json()
    assert document["openapi"] == "3.1.0"
    assert "/baremetal/v1alpha/images" in document["paths"]


def test_served_is_printed(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("rest: {print_defaults: false}\n")
    with serving("demo", "--config", str(tmp_path / "gateway.yaml")) as (_, rest, admin):
        with urllib.request.urlopen(f"http://{admin}/openapi.json", timeout=10) as answer:
            served = answer.read().decode()
        printed = run_command(
            "openapi", "--config", str(tmp_path / "gateway.yaml"), GATEWAY__REST__LISTEN=rest
        )
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout == served
    assert json.loads(served)["servers"][0]["variables"]["gateway"]["default"] == f"http://{rest}"


def test_a_descriptor_set_that_is_not_there_is_2(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("api: {descriptor_sets: [nowhere.binpb]}\n")
    done = run_command("openapi", "--config", str(tmp_path / "gateway.yaml"))
    assert done.returncode == 2
    assert "nowhere.binpb" in done.stderr
