"""The demo. It runs a gateway that forwards calls to the built-in emulator. It also prints example calls."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gateway.bundles import shipped_bundle
from gateway.config import Upstream
from gateway.config.credentials import PassthroughCredentials
from gateway.emulator import Emulator
from gateway.process import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.app import Addresses
    from gateway.config import Config

_TRY = """\
The gateway is ready. It forwards to an emulated cloud.

  REST   http://{rest}
  gRPC   {grpc}
  admin  http://{admin}/readyz  /metrics  /docs

Create an image:

  curl -X POST http://{rest}/baremetal/v1alpha/images -H 'Content-Type: application/json' -d '{{
    "folderId": "b1gexample", "name": "ubuntu-24-04",
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "labels": {{"env": "dev", "owner": "infra", "cost-center": "cc-42"}}}}'

Follow it with the id from the response:

  curl http://{rest}/operations/<id>
{ledger}
Ctrl-C stops it.
"""
_LEDGER = """
List the calls:

  baremetal-gateway audit list --ledger {url}
"""


async def run_demo(
    config: Config, environment: Mapping[str, str], delay_s: float, write: Callable[[str], None]
) -> None:
    """Run a gateway until a signal stops the gateway. The gateway forwards all calls to one emulator.

    Args:
        config: the configuration of the gateway. The settings of the upstreams, and the gateway's own
            credentials, are not used.
        environment: the environment variables, which configure telemetry.
        delay_s: the duration of an emulated operation, in seconds.
        write: the function that shows a text to the user.

    Raises:
        FaultsError: the gateway cannot start.
    """
    async with Emulator(delay_s=delay_s) as emulator:
        emulated = Upstream(address=emulator.address, tls=False)
        update = {
            "upstreams": dict.fromkeys(config.upstreams, emulated),
            "credentials": PassthroughCredentials(),
        }
        config = config.model_copy(update=update)
        with _with_ledger(_with_bundle(config)) as served:
            await serve(served, environment, lambda addresses: write(_describe(served, addresses)))


def _with_bundle(config: Config) -> Config:
    """Return the configuration. If the operator has no bundle, use the bundle that the package contains.

    The operator has no bundle if `policies.path` is not configured and the default path does not exist.
    """
    policies = config.policies
    if "path" in policies.model_fields_set or policies.path.exists():
        return config
    path = shipped_bundle() or policies.path
    return config.model_copy(update={"policies": policies.model_copy(update={"path": path})})


@contextmanager
def _with_ledger(config: Config) -> Iterator[Config]:
    """Yield the configuration. If `ledger.url` is not configured, the ledger is in a temporary folder."""
    section = config.ledger
    if not section.enabled or "url" in section.model_fields_set:
        yield config
        return
    with TemporaryDirectory(prefix="baremetal-gateway-") as folder:
        section = section.model_copy(update={"url": f"sqlite:///{folder}/ledger.db"})
        yield config.model_copy(update={"ledger": section})


def _describe(config: Config, addresses: Addresses) -> str:
    section = config.ledger
    # The URL of another database may contain a password.
    is_shown = section.enabled and section.url.startswith("sqlite:")
    ledger = _LEDGER.format(url=shlex.quote(section.url)) if is_shown else ""
    return _TRY.format(rest=addresses.rest, grpc=addresses.grpc, admin=addresses.admin, ledger=ledger)
