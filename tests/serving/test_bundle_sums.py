"""Bundles with `bundle.sum`, and files that were emptied, at start and reload."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.bundles import LastGood, read_bundle, signature_path, sums_path, write_sums
from gateway.faults import FaultsError
from tests.conftest import ROOT, Running, Start
from tests.policy.making import binding_text, policy_text
from tests.served_bundle import alter, create, last_good_options, ready

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


def lose(bundle: Path) -> str:
    (bundle / "approved-source.yaml").unlink()
    return "approved-source.yaml: is listed in bundle.sum, and the bundle has no such YAML file"


def empty(bundle: Path) -> str:
    (bundle / "approved-source.yaml").write_text("")
    return "approved-source.yaml: was altered"


def cut_short(bundle: Path) -> str:
    """The part that is there is a bundle too."""
    text = (bundle / "tests/naming.yaml").read_text()
    (bundle / "tests/naming.yaml").write_text(text[: text.rindex("  - name:")])
    return "tests/naming.yaml: was altered"


def add(bundle: Path) -> str:
    (bundle / "tests/more.yml").write_text(policy_text("true") + binding_text())
    return "tests/more.yml: is not listed in bundle.sum"


def break_the_list(bundle: Path) -> str:
    alter(sums_path(bundle))
    return "bundle.sum:12:1: a line is 64 hex digits"


def empty_the_list(bundle: Path) -> str:
    sums_path(bundle).write_text("")
    return "bundle.sum: lists no files"


CHANGES = [lose, empty, cut_short, add, break_the_list, empty_the_list]


async def test_a_bundle_that_is_its_list_is_served(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle)
    assert (await ready(running))["bundle"] == read_bundle(bundle).hash
    assert (await create(running))[0] == 200


@pytest.mark.parametrize("change", CHANGES)
async def test_a_file_that_is_not_listed_so_stops_start_and_reload(
    start: Start, bundle: Path, change: Callable[[Path], str]
) -> None:
    running = await start(policies__path=bundle)
    before = (await ready(running))["bundle"]
    text = change(bundle)
    assert text in await reload_faults(running)
    assert (await ready(running))["bundle"] == before
    assert (await create(running, uri=ELSEWHERE))[0] == 403
    with pytest.raises(FaultsError) as caught:
        await start(policies__path=bundle)
    assert text in str(caught.value)


async def test_a_listed_change_is_taken(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle)
    alter(bundle / "naming.yaml")
    assert "naming.yaml: was altered" in await reload_faults(running)
    sums_path(bundle).write_text(write_sums(read_bundle(bundle, has_sums=False).texts))
    assert not await reload_faults(running)
    assert (await ready(running))["bundle"] == read_bundle(bundle).hash


async def test_a_shadow_is_held_to_its_list_too(start: Start, bundle: Path) -> None:
    alter(bundle / "naming.yaml")
    running = await start(policies__shadow=bundle)
    assert "naming.yaml: was altered" in str((await ready(running))["shadow_faults"])


async def test_a_start_with_the_last_good_bundle_after_a_file_was_lost(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    options = last_good_options(bundle, tmp_path / "kept.json")
    first = await start(**options)
    good = (await ready(first))["bundle"]
    await first.gateway.stop()
    assert LastGood(tmp_path / "kept.json").load() == read_bundle(bundle)
    text = lose(bundle)
    second = await start(**options)
    facts = await ready(second)
    assert facts["bundle"] == good
    assert text in str(facts["reload_faults"])
    assert (await create(second, uri=ELSEWHERE))[0] == 403


@pytest.mark.parametrize("of", [signature_path, sums_path])
async def test_what_stands_beside_the_policies_is_watched(
    start: Start, bundle: Path, of: Callable[[Path], Path]
) -> None:
    running = await start(policies__path=bundle)
    of(bundle).unlink(missing_ok=True)
    of(bundle).mkdir()
    assert "cannot be read: not a regular file" in await reload_faults(running)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
async def test_an_emptied_file_stops_start_reload_and_shadow(start: Start, bundle: Path, text: str) -> None:
    sums_path(bundle).unlink()
    running = await start(policies__path=bundle)
    (bundle / "approved-source.yaml").write_text(text)
    assert "approved-source.yaml: contains no documents" in await reload_faults(running)
    assert (await create(running, uri=ELSEWHERE))[0] == 403
    with pytest.raises(FaultsError, match=r"approved-source\.yaml: contains no documents"):
        await start(policies__path=bundle)
    shadowed = await start(policies__shadow=bundle)
    assert "approved-source.yaml: contains no documents" in str((await ready(shadowed))["shadow_faults"])


async def test_a_kept_bundle_with_an_emptied_file_is_not_good(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    sums_path(bundle).unlink()
    (bundle / "approved-source.yaml").write_text("")
    LastGood(tmp_path / "kept.json").save(read_bundle(bundle))  # as an earlier version would
    with pytest.raises(FaultsError, match=r"approved-source\.yaml: contains no documents"):
        await start(
            **last_good_options(tmp_path / "nowhere", tmp_path / "kept.json"),
        )
