"""The addresses of listeners: free, used by a gateway that runs, or by another program."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor.examination import Examination
from gateway.cli.doctor.listeners import check_listeners
from tests.cli.doctor.examining import examine, find, make_examination, serve_bytes
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.ports import free_port
from tests.tls.authority import Authority


def addresses_of(running: Running) -> dict[str, Any]:
    return {name: {"listen": str(getattr(running.addresses, name))} for name in ("rest", "grpc", "admin")}


async def test_addresses_that_are_free(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    results = await examine(check_listeners, make_examination(tmp_path, rest={"listen": listen}))
    assert sorted((one.subject, one.message) for one in results) == [
        ("admin.listen", "any free port"),
        ("grpc.listen", "any free port"),
        ("rest.listen", f"{listen} is free"),
    ]
    socket.create_server(("127.0.0.1", int(listen.rpartition(":")[2]))).close()


async def test_a_gateway_that_runs(start: Start, tmp_path: Path) -> None:
    running = await start()
    results = await examine(check_listeners, make_examination(tmp_path, **addresses_of(running)))
    assert {(one.subject, one.status) for one in results} == {
        (f"{name}.listen", "ok") for name in ("rest", "grpc", "admin")
    }
    assert all(one.message.endswith("is used by a gateway that runs") for one in results)


async def test_a_gateway_that_runs_with_tls(start: Start, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue().write(tmp_path, "own")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    tls = {"certificate": str(certificate), "key": str(key), "client_ca": str(tmp_path / "ca.pem")}
    keys = {f"{name}__tls__{key}": value for name in ("rest", "grpc", "admin") for key, value in tls.items()}
    running = await start(**keys)
    sections = {name: one | {"tls": tls} for name, one in addresses_of(running).items()}
    results = await examine(check_listeners, make_examination(tmp_path, **sections))
    assert [one.status for one in results] == ["ok"] * 3


async def test_the_conditions_of_a_gateway_that_runs(start: Start, tmp_path: Path) -> None:
    running = await start()
    await running.emulator.stop()
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        assert response.status == 503
    (one,) = await find(check_listeners, make_examination(tmp_path, **addresses_of(running)))
    assert one.subject == "upstream/baremetal"
    assert one.message.startswith("the gateway that runs reports degraded since 20")


@pytest.mark.parametrize("name", ["rest", "grpc", "admin"])
async def test_another_program(tmp_path: Path, name: str) -> None:
    async with serve_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as address:
        sections: dict[str, Any] = {name: {"listen": address}}
        (one,) = await find(check_listeners, make_examination(tmp_path, **sections))
    assert (one.subject, one.message) == (f"{name}.listen", f"{address} is used by another program")
    assert f"change {name}.listen" in one.fix


async def test_a_program_that_does_not_respond(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        sections: dict[str, Any] = {"admin": {"listen": address}}
        (one,) = await find(check_listeners, make_examination(tmp_path, step_s=0.3, **sections))
    assert one.message.endswith("is used by another program")


async def test_an_address_of_another_machine(tmp_path: Path) -> None:
    rest = {"listen": "192.0.2.1:8080", "allow_plaintext": True}
    (one,) = await find(check_listeners, make_examination(tmp_path, rest=rest))
    assert one.message == "192.0.2.1 is no address of this machine"


@pytest.mark.usefixtures("unprivileged")
async def test_a_port_of_the_system(privileged_port: Examination) -> None:
    limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if limit <= 1:
        pytest.skip("every user may use every port of this machine")
    (one,) = await find(check_listeners, privileged_port)
    assert one.message == "this user may not listen on port 1"


@pytest.fixture
def privileged_port(open_folder: Path) -> Examination:
    return make_examination(open_folder, rest={"listen": "127.0.0.1:1"})
