"""Real clients over TLS: the programs and commands of docs/clients.md, and the cloud's Python SDK."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE
from typing import Any

import google.api
import grpc.aio
import pytest

from gateway.emulator import Emulator
from gateway.emulator.token_issuer import IAM_SERVICE
from tests.conftest import ROOT, Running, Start
from tests.ports import free_port
from tests.service_accounts import register, write_key
from tests.tls.authority import Authority
from tests.waiting import GENEROUS_S

EXAMPLES = ROOT / "examples" / "clients"
DOCUMENT = ROOT / "docs" / "clients.md"
ISO = "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso"
OTHER = "https://example.com/a.iso"
CLOUD_TOKEN, GATEWAY_TOKEN = "t1.the-cloud-s", "a-token-for-the-gateway"
OWN = f"{{type: static, token: {CLOUD_TOKEN}}}"
PEER = Path(os.environ.get("GATEWAY_TEST_PEER") or ROOT / ".venv-peer" / "bin" / "python")


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway with TLS, and what its clients need."""

    running: Running
    folder: Path
    grpc: str
    rest: str

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    async def run(self, *command: str, **variables: str) -> tuple[int, str, str]:
        """Run a client to its end. Return its exit code, and what it printed to both streams."""
        environment = {"GATEWAY": self.grpc, "REST": self.rest, "CA": str(self.ca)} | variables
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=kept | environment, cwd=self.folder
        )
        async with asyncio.timeout(GENEROUS_S):
            output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()


@asynccontextmanager
async def serve_iam(emulator: Emulator, authority: Authority, address: str) -> AsyncIterator[None]:
    """Serve the emulated IAM with TLS, because the SDK calls it with TLS."""
    issued = authority.issue("iam")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([emulator._handler(IAM_SERVICE)])  # noqa: SLF001 - it has no TLS itself
    server.add_secure_port(address, grpc.ssl_server_credentials([(issued.key, issued.pem)]))
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def serve(
    start: Start, folder: Path, authority: Authority, *, is_identified: bool = True, **sections: Any
) -> Served:
    certificate, key = authority.issue("server").write(folder, "server")
    (folder / "ca.pem").write_bytes(authority.pem)
    digest = sha256(GATEWAY_TOKEN.encode()).hexdigest()
    tokens = folder / "tokens.yaml"
    tokens.write_text(f"tokens: [{{name: ci, sha256: {digest}}}]")
    tls, port = f"{{certificate: {certificate}, key: {key}}}", free_port()
    running = await start(
        rest__tls=tls,
        grpc__tls=tls,
        grpc__listen=f"127.0.0.1:{port}",
        grpc__reflection=True,
        callers=f"{{type: tokens, tokens: {{file: {tokens}}}}}" if is_identified else "{}",
        discovery__address=f"localhost:{port}",
        **sections,
    )
    running.emulator.tokens.accept(CLOUD_TOKEN)
    running.emulator.requires_token = True
    return Served(running, folder, f"localhost:{port}", f"localhost:{running.addresses.rest.port}")


@pytest.fixture
async def served(start: Start, tmp_path: Path) -> Served:
    """A gateway with credentials of its own. Its callers have tokens."""
    return await serve(start, tmp_path, Authority(), credentials=f"{{type: static, token: {CLOUD_TOKEN}}}")


@pytest.fixture
async def passing(start: Start, tmp_path: Path) -> Served:
    """A gateway that passes the credentials of callers through. Their tokens are in another header."""
    return await serve(start, tmp_path, Authority())


def blocks(language: str) -> list[str]:
    """Return the blocks of the document in a language."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("python", "python_sdk.py"),
        ("python", "python_sdk_identity.py"),
        ("python", "reflection.py"),
        ("js", "node/create.js"),
    ],
)
def test_the_document_shows_the_programs(language: str, name: str) -> None:
    assert (EXAMPLES / name).read_text(encoding="utf-8") in blocks(language)


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_curl(served: Served, number: int) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    commands = blocks("sh")
    assert len(commands) == 3
    script = commands[number].replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
    code, output, errors = await served.run("bash", "-c", script, TOKEN=GATEWAY_TOKEN)
    assert (code, errors) == (0, "")
    tree = json.loads(output)
    if number == 2:
        assert tree == {"id": "baremetal", "address": served.grpc}
    else:
        assert set(tree) <= {
            "images",
            "id",
            "description",
            "createdAt",
            "createdBy",
            "modifiedAt",
            "metadata",
        }


async def test_curl_without_a_token(served: Served) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    code, output, _ = await served.run("bash", "-c", blocks("sh")[0], TOKEN="wrong")
    assert (code, json.loads(output)["code"]) == (0, 16)


async def test_the_python_sdk(served: Served) -> None:
    program = str(EXAMPLES / "python_sdk.py")
    done = await served.run(str(PEER), "-I", program, "from-sdk", ISO, TOKEN=GATEWAY_TOKEN)
    assert done[::2] == (0, "")
    assert re.fullmatch(r"[a-z0-9]{20} READY\n", done[1])
    denied = await served.run(
        str(PEER), "-I", program, "other", "https://example.com/a.iso", TOKEN=GATEWAY_TOKEN
    )
    assert denied[0] == 1
    assert denied[2].startswith("PERMISSION_DENIED: ")
    assert "\n  uri: " in denied[2]


async def test_the_python_sdk_with_a_second_token(passing: Served) -> None:
    program = str(EXAMPLES / "python_sdk_identity.py")
    tokens = {"TOKEN": CLOUD_TOKEN, "GATEWAY_TOKEN": GATEWAY_TOKEN}
    create = await passing.run(
        str(PEER),
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(EXAMPLES)!r})\n"
        "import python_sdk_identity, python_sdk, yandexcloud\n"
        "sdk = python_sdk_identity.make_sdk()\n"
        "python_sdk.yandexcloud = type('', (), {'SDK': lambda **_: sdk})\n"
        f"python_sdk.main('from-sdk', {ISO!r})\n",
        **tokens,
    )
    assert create[::2] == (0, "")
    listed = await passing.run(str(PEER), "-I", program, "b1gexample", **tokens)
    assert listed[::2] == (0, "")
    assert listed[1].endswith(" from-sdk\n")
    sent = passing.running.emulator.calls[-1]
    assert dict(sent.metadata)["authorization"] == f"Bearer {CLOUD_TOKEN}"
    assert GATEWAY_TOKEN not in str(sent.metadata)


@pytest.mark.parametrize("kind", ["iam_token", "service_account_key"])
async def test_the_life_of_an_image_with_the_sdk(start: Start, tmp_path: Path, kind: str) -> None:
    authority, iam = Authority(), f"localhost:{free_port()}"
    is_identified = kind == "iam_token"
    served = await serve(
        start,
        tmp_path,
        authority,
        is_identified=is_identified,
        credentials=OWN if is_identified else "{type: passthrough}",
        discovery__endpoints=f"{{iam: '{iam}'}}",
    )
    options: dict[str, Any] = {"endpoint": served.grpc, "root_certificates": str(served.ca)}
    emulator = served.running.emulator
    if is_identified:
        options["iam_token"] = GATEWAY_TOKEN
    else:  # callers are anonymous, and the IAM token that the SDK gets is passed through
        emulator.tokens.audience = f"https://iam.{served.grpc}/iam/v1/tokens"
        register(emulator)
        options["service_account_key"] = json.loads(write_key(tmp_path / "key.json").read_text())
    async with serve_iam(emulator, authority, iam):
        code, output, errors = await served.run(
            str(PEER), "-I", str(ROOT / "tests/peer/sdk.py"), json.dumps(options)
        )
    assert (code, errors) == (0, "")
    steps = {line["step"]: line["value"] for line in map(json.loads, output.splitlines())}
    denied = steps.pop("denied")
    assert steps == {
        "endpoints": {"baremetal": served.grpc, "operation": served.grpc, "iam": iam},
        "created": ["from-sdk", True],
        "got": ["from-sdk", "READY"],
        "listed": ["from-sdk"],
        "updated": "changed",
        "deleted": [],
    }
    assert denied["code"] == "PERMISSION_DENIED"
    assert denied["details"]["ErrorInfo"]["reason"] == "POLICY_VIOLATION"
    (violation,) = denied["details"]["BadRequest"]["fieldViolations"]
    assert violation["field"] == "uri"
    assert denied["details"]["RequestInfo"]["requestId"]


async def test_node(served: Served) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (EXAMPLES / "node" / "node_modules" / "@grpc").is_dir():
        pytest.skip("npm is not installed: it installs the packages of examples/clients/node")
    protos = f"{ROOT / 'proto'}:{Path(next(iter(google.api.__path__))).parents[1]}"
    program = str(EXAMPLES / "node" / "create.js")
    variables = {"TOKEN": GATEWAY_TOKEN, "PROTOS": protos}
    done = await served.run("node", program, "from-node", ISO, **variables)
    assert done[::2] == (0, "")
    assert re.fullmatch(r"[a-z0-9]{20} done\n", done[1])
    denied = await served.run("node", program, "other", OTHER, **variables)
    assert denied[0] == 1
    assert denied[2].startswith("PERMISSION_DENIED: ")


async def test_a_reflection_client(served: Served) -> None:
    program = str(EXAMPLES / "reflection.py")
    done = await served.run(sys.executable, "-I", program, "b1gexample", TOKEN=GATEWAY_TOKEN)
    assert done[::2] == (0, "")
    assert "yandex.cloud.baremetal.v1alpha.ImageService" in done[1].splitlines()
