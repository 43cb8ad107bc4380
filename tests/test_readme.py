"""README.md: its transcript is sent to a gateway."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from tests.conftest import ROOT, Running

README = (ROOT / "README.md").read_text(encoding="utf-8")
# The values of these differ in each run.
VOLATILE = {
    "bundle_hash",
    "checksum",
    "createdAt",
    "createdBy",
    "decision_id",
    "id",
    "imageId",
    "modifiedAt",
    "requestId",
}


def transcript() -> list[tuple[list[str], Any]]:
    """Return the words of every curl command, with the response below it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        command, _, response = block.partition("\n")
        found.append((shlex.split(command.removeprefix("$ ")), json.loads(response)))
    return found


def steady(value: Any) -> Any:
    if isinstance(value, list):
        return [steady(one) for one in value]
    if isinstance(value, dict):
        return {name: "…" if name in VOLATILE else steady(one) for name, one in value.items()}
    return value


def option(words: list[str], name: str, default: str) -> str:
    return words[words.index(name) + 1] if name in words else default


async def test_the_transcript_is_true(running: Running) -> None:
    ids: dict[str, str] = {}
    commands = transcript()
    assert len(commands) == 4
    for words, expected in commands:
        assert words[:2] == ["curl", "-s"]
        (url,) = (word for word in words if word.startswith("http://"))
        path = url.removeprefix("http://127.0.0.1:8080")
        for written, real in ids.items():
            path = path.replace(written, real)
        header = option(words, "-H", "Content-Type: application/x-www-form-urlencoded").split(": ")
        data = option(words, "-d", "").encode() or None
        http_method = option(words, "-X", "GET")
        async with running.client.request(
            http_method, running.url(path), data=data, headers=[(header[0], header[1])] if data else None
        ) as response:
            given = await response.json()
        # An operation of this emulator is done at once; in the demo it takes a second.
        assert steady(given) == steady(expected)
        if "id" in expected:
            ids[expected["id"]] = given["id"]


def shell_lines() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_command_is_installed_before_it_is_used() -> None:
    lines = shell_lines()
    first_use = next(number for number, line in enumerate(lines) if line.startswith("baremetal-gateway"))
    for needed in ("make run", ". .venv/bin/activate", "pip install ."):
        assert lines.index(needed) < first_use
