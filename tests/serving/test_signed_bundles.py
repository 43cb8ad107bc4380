"""Only a signed bundle becomes active, where the configuration requires a signature."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.bundles import read_bundle, signature_path
from gateway.bundles.signature import sign_bundle
from gateway.faults import FaultsError
from tests.bundles.test_signature import write_keys
from tests.conftest import ROOT, Start
from tests.served_bundle import alter, ready


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


async def test_only_a_signed_bundle_is_put_in_force(start: Start, bundle: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    options = {"policies__path": bundle, "policies__public_key": public}
    with pytest.raises(FaultsError, match="is not signed"):
        await start(**options)
    signature_path(bundle).write_text(sign_bundle(read_bundle(bundle), private))
    running = await start(**options)
    before = (await ready(running))["bundle"]

    alter(bundle / "naming.yaml")
    await running.gateway.reload()
    facts = await ready(running)
    assert facts["bundle"] == before
    assert "altered, or signed with another key" in str(facts["reload_faults"])

    signature_path(bundle).write_text(sign_bundle(read_bundle(bundle), private))
    await running.gateway.reload()
    facts = await ready(running)
    assert facts["bundle"] == read_bundle(bundle).hash != before
    assert "reload_faults" not in facts


async def test_another_key_is_a_change(start: Start, bundle: Path, tmp_path: Path) -> None:
    """The bundle is signed with a new key first; the key's file follows."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    old_key, old_public = write_keys(old)
    new_key, new_public = write_keys(new)
    signature = signature_path(bundle)
    signature.write_text(sign_bundle(read_bundle(bundle), old_key))
    running = await start(policies__path=bundle, policies__public_key=old_public, policies__settle_s=0.01)
    alter(bundle / "params.yaml")
    signature.write_text(sign_bundle(read_bundle(bundle), new_key))
    await running.gateway.reload()
    assert "reload_faults" in await ready(running)
    old_public.write_bytes(new_public.read_bytes())
    await running.gateway.reload()
    assert "reload_faults" not in await ready(running)
