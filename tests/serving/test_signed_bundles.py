"""Only a signed bundle becomes active, where the configuration requires a signature."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.bundles import read_bundle, sign_bundle, signature_path
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
