"""Reloads that enforce less: reported, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.bundles import read_bundle, sums_path, write_sums
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_bundle import create, metric, ready, write

ELSEWHERE = "https://storage.yandexcloud.net/not-approved/a.iso"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The bundle that ships, with the list of its files."""
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    sums_path(folder).write_text(write_sums(read_bundle(folder).texts))
    return folder


async def reload_faults(running: Running) -> str:
    await running.gateway.reload()
    return str((await ready(running)).get("reload_faults", ""))


NAMED = policy_text("request.name != ''", name="named") + binding_text("named", "named", action="warn")


FULL = policy_text("!request.uri.contains('not-approved')") + binding_text() + NAMED


REMOVED = ["rule p/r0", "binding b", f"the last denying binding of {CREATE}"]


async def test_what_a_reload_removes_is_reported(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "b", FULL)
    running = await start(policies__path=path)
    assert "removed" not in await ready(running)
    write(path, NAMED)
    assert not await reload_faults(running)
    facts = await ready(running)
    assert facts["removed"] == REMOVED
    (line,) = [one for one in logs.records if "enforces less" in one.message]
    assert (line.levelname, line.__dict__["removed"]) == ("WARNING", REMOVED)
    for kind in ("rule", "binding", "method"):
        assert metric(running, f'gateway_bundle_removals_total{{kind="{kind}"}}') == "1.0"
    assert (await create(running, uri=ELSEWHERE))[0] == 200

    write(path, FULL)
    await running.gateway.reload()
    assert "removed" not in await ready(running)
    assert metric(running, 'gateway_bundle_removals_total{kind="rule"}') == "1.0"


async def test_a_binding_that_denies_no_more_is_reported(start: Start, tmp_path: Path) -> None:
    path = write(tmp_path / "b", FULL)
    running = await start(policies__path=path)
    write(path, FULL.replace("policy: p\n", "policy: p\n  action: audit\n"))
    await running.gateway.reload()
    assert (await ready(running))["removed"] == [
        "action deny of the binding b, which is audit now",
        f"the last denying binding of {CREATE}",
    ]


async def test_a_removal_may_be_refused(start: Start, tmp_path: Path) -> None:
    path = write(tmp_path / "b", FULL)
    running = await start(policies__path=path, policies__allow_removal="false")
    before = (await ready(running))["bundle"]
    write(path, NAMED)
    told = await reload_faults(running)
    for removed in REMOVED:
        assert f"policies.allow_removal: is false, and the reload would remove {removed}; put it back" in told
    facts = await ready(running)
    assert facts["bundle"] == before
    assert "removed" not in facts
    assert metric(running, "gateway_bundle_stale") == "1.0"
    assert metric(running, 'gateway_bundle_reloads_total{outcome="refused"}') == "1.0"
    assert metric(running, "gateway_bundle_removals_total") == ""
    assert (await create(running, uri=ELSEWHERE))[0] == 403

    write(path, FULL + policy_text("true", name="more") + binding_text("more", "more"))
    assert not await reload_faults(running)
    assert metric(running, "gateway_bundle_stale") == "0.0"


async def test_a_file_that_is_deleted_is_a_removal(start: Start, bundle: Path) -> None:
    sums_path(bundle).unlink()
    running = await start(policies__path=bundle, policies__allow_removal="false")
    (bundle / "approved-source.yaml").unlink()
    (bundle / "tests/approved-source.yaml").unlink()
    assert "the reload would remove rule approved-source/bucket" in await reload_faults(running)
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | {"uri": ELSEWHERE}) as answer:
        assert answer.status == 403
