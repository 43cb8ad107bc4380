"""A start with the last good bundle, and how it is saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.bundles import LastGood, read_bundle
from gateway.faults import FaultsError
from tests.bundles.test_signature import write_keys
from tests.conftest import ROOT, Start, make_config, plain_telemetry
from tests.policy.making import binding_text, policy_text
from tests.served_bundle import alter, create, last_good_options, metric, ready, write

BAD = policy_text("request.nope == ''") + binding_text()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


async def test_a_bad_bundle_stops_the_start(start: Start, tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="undefined field 'nope'"):
        await start(policies__path=write(tmp_path / "bad", BAD))


async def test_a_start_beside_a_bad_bundle_may_use_the_last_good_one(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    options = last_good_options(bundle, tmp_path / "kept.json")
    first = await start(**options)
    good = (await ready(first))["bundle"]
    await first.gateway.stop()
    (bundle / "naming.yaml").write_text(BAD)
    second = await start(**options)
    facts = await ready(second)
    assert facts["bundle"] == good
    assert "undefined field 'nope'" in str(facts["reload_faults"])
    assert (await create(second))[0] == 200
    assert (await create(second, labels={}))[0] == 403
    assert metric(second, "gateway_bundle_stale") == "1.0"
    shutil.copy(ROOT / "policies" / "naming.yaml", bundle / "naming.yaml")
    await second.gateway.reload()
    assert "reload_faults" not in await ready(second)
    assert metric(second, "gateway_bundle_stale") == "0.0"


async def test_a_vanished_bundle_is_a_bad_one(start: Start, bundle: Path, tmp_path: Path) -> None:
    LastGood(tmp_path / "kept.json").save(read_bundle(bundle))
    running = await start(
        **last_good_options(tmp_path / "nowhere", tmp_path / "kept.json"),
    )
    assert "there is no bundle of policies here" in str((await ready(running))["reload_faults"])
    assert (await create(running))[0] == 200


async def test_with_no_last_good_bundle_both_faults_are_told(tmp_path: Path) -> None:
    config = make_config(
        "127.0.0.1:1",
        **last_good_options(write(tmp_path / "bad", BAD), tmp_path / "kept.json"),
    )
    with pytest.raises(FaultsError) as caught:
        Gateway(config, plain_telemetry())
    assert [fault.message[:16] for fault in caught.value.faults] == ["undefined field ", "no last good bun"]


async def test_a_reload_is_kept(start: Start, bundle: Path, tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "kept.json")
    running = await start(
        **last_good_options(bundle, tmp_path / "kept.json"),
    )
    assert kept.load().hash == read_bundle(bundle).hash
    alter(bundle / "naming.yaml")
    await running.gateway.reload()
    assert kept.load().hash == read_bundle(bundle).hash
    (bundle / "zz.yaml").write_text(BAD)
    await running.gateway.reload()
    assert kept.load().hash == (await ready(running))["bundle"]


async def test_that_nothing_can_be_kept_stops_nothing(
    start: Start, bundle: Path, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(
        **last_good_options(bundle, tmp_path / "nowhere" / "kept.json"),
    )
    assert (await create(running))[0] == 200
    assert (await ready(running))["last_good_fault"] == "No such file or directory"
    assert "last good bundle not kept" in logs.text


async def test_without_the_option_nothing_is_written(start: Start, bundle: Path, tmp_path: Path) -> None:
    await start(policies__path=bundle, policies__last_good=tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()


async def test_the_last_good_bundle_has_to_be_signed_too(bundle: Path, tmp_path: Path) -> None:
    _, public = write_keys(tmp_path)
    LastGood(tmp_path / "kept.json").save(read_bundle(bundle))
    config = make_config(
        "127.0.0.1:1",
        policies__public_key=public,
        **last_good_options(tmp_path / "nowhere", tmp_path / "kept.json"),
    )
    with pytest.raises(FaultsError, match="is not signed"):
        Gateway(config, plain_telemetry())
