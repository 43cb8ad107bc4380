"""The document as it is served, and as it is printed."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.faults import FaultsError
from gateway.serving.sources import describe_api
from tests.commands import run_command
from tests.conftest import Running
from tests.processes import serving
from tests.schema.compiling import compile_text


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


@pytest.mark.parametrize(
    ("rule", "option", "fault"),
    [
        ("/v1/{nome}", "", "given.proto: bad.S/Do: the path sets 'nome'"),
        ("/v1/{", "", "given.proto: bad.S/Do: bad path template"),
        ("/v1", '[(yandex.cloud.length) = "x"]', "given.proto: bad.M.name: 'x' is not a range"),
    ],
)
def test_descriptors_that_cannot_be_served_are_not_described(
    tmp_path: Path, rule: str, option: str, fault: str
) -> None:
    text = f"""
        package bad;
        import "google/api/annotations.proto";
        import "yandex/cloud/validation.proto";
        message M {{ string name = 1 {option}; }}
        service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ get: "{rule}" }}; }} }}
    """
    compile_text(tmp_path, text)
    sections = {"descriptor_sets": [str(tmp_path / "given.binpb")], "services": {"bad.S": "baremetal"}}
    config = load_config(None, {"GATEWAY__API": json.dumps(sections)})
    with pytest.raises(FaultsError) as caught:
        describe_api(config)
    assert str(caught.value).startswith(fault)
