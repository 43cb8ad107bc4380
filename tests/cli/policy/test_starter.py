"""`policy init`: a bundle to start from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.cli.policy.test_group import run
from tests.conftest import ROOT

FILES = ["labels.yaml", "params.yaml", "source.yaml", "tests/labels.yaml", "tests/source.yaml"]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_writes_a_bundle_that_passes(tmp_path: Path) -> None:
    done = run("init", "rules/new", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "rules/new") == FILES
    assert done.stdout.splitlines()[:2] == ["wrote rules/new/labels.yaml", "wrote rules/new/params.yaml"]
    checked = run("check", "rules/new", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith(": 5 rules for 2 methods, no faults\n")
    tested = run("test", "rules/new", "--coverage", "100", cwd=tmp_path)
    assert (tested.returncode, tested.stderr) == (0, "")
    for command in done.stdout.splitlines()[-2:]:
        assert command.startswith("baremetal-gateway policy ")
        assert run(*command.split()[2:], cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["params.yaml", "tests/source.yaml"])
def test_overwrites_nothing(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    done = run("init", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"nothing is written, because these files already exist: {mine}" in done.stderr
    assert names(tmp_path) == [name]
    assert mine.read_text() == "mine"


def test_writes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/params.yaml").symlink_to(tmp_path / "elsewhere")
    assert run("init", tmp_path / "rules").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


def test_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert run("init", tmp_path).returncode == 0
    assert names(tmp_path) == ["README.md", *FILES]


def test_a_folder_that_cannot_be_made_is_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/rules"):
        done = run("init", folder, cwd=tmp_path)
        assert done.returncode == 2
        assert "file" in done.stderr


def test_a_folder_is_required() -> None:
    done = run("init")
    assert done.returncode == 2
    assert "Missing argument 'DIR'" in done.stderr


def test_the_wheel_holds_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATCH_BUILD_NO_HOOKS", "true")  # the descriptors are read by other tests meanwhile
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"], hooks_only=False)
    packed = zipfile.ZipFile(wheel).namelist()
    assert sorted(name for name in packed if name.startswith("gateway/cli/policy/starter_bundle/")) == [
        f"gateway/cli/policy/starter_bundle/{name}" for name in FILES
    ]
