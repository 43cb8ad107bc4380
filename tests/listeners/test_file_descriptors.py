"""File descriptors that run short: the listeners' bounds fit in, and the admin listener is always there."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

import pytest

from gateway.config import Config
from gateway.listeners.file_descriptors import ADMIN_CONNECTIONS, RESERVE, make_budget
from tests.conftest import IMAGES
from tests.processes import COMMAND, serving

GET = f"GET {IMAGES} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()


def test_livez_answers_while_the_other_listeners_are_saturated() -> None:
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); "
    run = "os.execv(sys.argv[1], sys.argv[1:])"
    command = (sys.executable, "-c", limit + run, *COMMAND)
    with (
        serving("demo", command=command, GATEWAY__DECISION_LOG__TYPE="none") as (process, rest, admin),
        ExitStack() as stack,
    ):
        host, _, port = rest.partition(":")
        for _ in range(300):
            one = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            one.sendall(GET)
        for _ in range(5):
            with urllib.request.urlopen(f"http://{admin}/livez", timeout=20) as response:
                assert json.load(response) == {"status": "alive"}
        with urllib.request.urlopen(f"http://{rest}{IMAGES}", timeout=20) as response:
            assert response.status == 200
        process.terminate()
        _, err = process.communicate(timeout=60)
    warning = next(line for line in map(json.loads, err.splitlines()) if "open files" in line["message"])
    assert warning["rest.max_connections"] + warning["grpc.max_connections"] <= 200


def test_the_soft_limit_is_raised_as_far_as_the_bounds_need() -> None:
    code = (
        "import resource\n"
        "from gateway.config import Config\n"
        "from gateway.listeners.file_descriptors import make_budget\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))\n"
        "print(make_budget(Config()).rest.max_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2000:
        pytest.skip("the hard limit of this system is lower than the default bounds need")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    config = Config()
    needed = config.rest.max_connections + config.grpc.max_connections + ADMIN_CONNECTIONS + RESERVE
    assert out.split() == [str(config.rest.max_connections), str(needed)]


def test_bounds_for_each_address_do_not_exceed_those_in_all() -> None:
    budget = make_budget(Config.model_validate({"rest": {"max_connections": 10}}))
    assert budget.rest.max_connections_per_address == 10
