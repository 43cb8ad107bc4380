"""A Prometheus server that scrapes gateways of tests, with the rules of this project."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.conftest import ROOT
from tests.ports import free_port
from tests.waiting import GENEROUS_S

RULES = ROOT / "deploy/observability/prometheus/rules.yaml"
JOB = "baremetal-gateway"
_CONFIGURATION: dict[str, Any] = {
    "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
    "rule_files": ["rules.yaml"],
    "scrape_configs": [{"job_name": JOB, "file_sd_configs": [{"files": ["targets/*.json"]}]}],
}


def program(name: str) -> str:
    """Return the path of a program of Prometheus, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


class Prometheus:
    """A server whose targets can be added while it runs. Alerts fire at once."""

    def __init__(self) -> None:
        self._program = program("prometheus")
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-prometheus-"))
        self._url = f"http://127.0.0.1:{free_port()}"
        (self._folder / "targets").mkdir()
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)  # tests of promtool check these times
        (self._folder / "rules.yaml").write_text(json.dumps(rules))
        (self._folder / "prometheus.yaml").write_text(json.dumps(_CONFIGURATION))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder}/prometheus.yaml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address={self._url.removeprefix('http://')}",
                    "--enable-feature=exemplar-storage",
                ],
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def scrape(self, address: str) -> None:
        """Add a target, which is the address of an admin listener."""
        target = self._folder / "targets" / f"{address.replace(':', '-')}.json"
        written = target.with_suffix(".new")
        written.write_text(json.dumps([{"targets": [address]}]))
        written.rename(target)

    async def get(self, path: str, **parameters: str) -> Any:
        """Return the data of a response of Prometheus' API."""
        async with asyncio.timeout(GENEROUS_S), aiohttp.ClientSession() as client:
            while True:
                assert self._process.poll() is None, self.log
                try:
                    async with client.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
                        body = await response.json(content_type=None)
                        if response.status == 200:
                            return body["data"]
                        assert response.status == 503, body  # it starts
                except (aiohttp.ClientConnectionError, json.JSONDecodeError):
                    pass  # it starts
                await asyncio.sleep(0.05)

    async def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the present values of the time series that a query selects."""
        data = await self.get("query", query=query)
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    server = Prometheus()
    yield server
    server.stop()
