from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gateway.bundles import LastGood
from gateway.faults import FaultsError
from gateway.policy.bundle_files import BundleFiles

FILES = BundleFiles({"a.yaml": "a: я\n"}, "signature")


def test_what_is_kept_is_what_is_loaded(tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "kept.json")
    kept.save(FILES)
    assert kept.load() == FILES
    other = BundleFiles({"b.yaml": ""})
    kept.save(other)
    assert kept.load() == other
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_a_failed_write_leaves_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = LastGood(tmp_path / "kept.json")
    kept.save(FILES)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        kept.save(BundleFiles({"b.yaml": ""}))
    assert kept.load() == FILES
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LastGood(tmp_path / "nowhere" / "kept.json").save(FILES)


BAD = ["", "[]", "null", "1", "{}", '{"hash": 1}', '{"hash": "x", "files": [], "signature": null}', "\xff"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_kept_bundle_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kept.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FaultsError, match=r"kept.json: policies.last_good: is not a saved bundle"):
        LastGood(path).load()


def test_an_altered_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    LastGood(path).save(FILES)
    altered = json.loads(path.read_text())
    altered["files"]["a.yaml"] = "a: 2\n"
    path.write_text(json.dumps(altered))
    with pytest.raises(FaultsError, match="was altered"):
        LastGood(path).load()


def test_none_was_kept(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="no last good bundle was saved here"):
        LastGood(tmp_path / "kept.json").load()
    with pytest.raises(FaultsError, match="cannot be read: Is a directory"):
        LastGood(tmp_path).load()
