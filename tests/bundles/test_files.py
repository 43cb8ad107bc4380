from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gateway.bundles import read_bundle, stamp_bundle
from gateway.faults import FaultsError

if TYPE_CHECKING:
    import os
from collections.abc import Iterator
from pathlib import Path


def write(root: Path, *names: str, data: bytes = b"a: 1\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def faults_of(path: Path) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        read_bundle(path)
    return [str(fault) for fault in caught.value.faults]


def test_reads_every_yaml_file(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", "a.yml", "tests/c.yaml", "deep/er/d.yaml", "README.md", "e.json", "yaml")
    assert list(read_bundle(tmp_path).texts) == ["a.yml", "b.yaml", "deep/er/d.yaml", "tests/c.yaml"]


def test_reads_one_file(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "b.yaml")
    assert read_bundle(tmp_path / "a.yaml").texts == {"a.yaml": "a: 1\n"}


def test_names_do_not_depend_on_the_place(tmp_path: Path) -> None:
    write(tmp_path, "one/a.yaml", "two/three/a.yaml")
    assert read_bundle(tmp_path / "one") == read_bundle(tmp_path / "two" / "three")


def test_a_folder_may_be_called_like_a_file(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "b.yaml/c.yaml")
    assert list(read_bundle(tmp_path).texts) == ["a.yaml", "b.yaml/c.yaml"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """Kubernetes keeps the files in a hidden folder and links to them by name."""
    write(tmp_path, "..2026_01_01/a.yaml", "..2026_01_01/b.yaml")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert list(read_bundle(tmp_path).texts) == ["a.yaml", "b.yaml"]


def test_hidden_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ".b.yaml", ".git/c.yaml")
    assert list(read_bundle(tmp_path).texts) == ["a.yaml"]


def test_a_bundle_may_stand_in_a_hidden_folder(tmp_path: Path) -> None:
    write(tmp_path, ".config/a.yaml")
    assert list(read_bundle(tmp_path / ".config").texts) == ["a.yaml"]


def test_there_has_to_be_a_bundle(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    assert faults_of(path) == [f"{path}: there is no bundle of policies here"]


def test_a_path_that_cannot_be_looked_at_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 300)
    assert faults_of(path) == [f"{path}: cannot be read: File name too long"]
    assert stamp_bundle(path) == stamp_bundle(path)


def test_ends_of_lines_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", data=b"a: 1\r\nb: 2\r")
    assert read_bundle(tmp_path).texts == {"a.yaml": "a: 1\r\nb: 2\r"}


def test_a_folder_has_to_hold_files(tmp_path: Path) -> None:
    write(tmp_path, "README.md")
    assert faults_of(tmp_path) == [f"{tmp_path}: contains no .yaml file"]


def test_names_every_file_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "c.yaml", data=b"\xff\xfe")
    write(tmp_path, "b.yaml")
    (tmp_path / "d.yaml").symlink_to(tmp_path / "nowhere.yaml")
    assert faults_of(tmp_path) == [
        f"{tmp_path / 'a.yaml'}: cannot be read: not UTF-8 text",
        f"{tmp_path / 'c.yaml'}: cannot be read: not UTF-8 text",
        f"{tmp_path / 'd.yaml'}: cannot be read: No such file or directory",
    ]


def test_suffixes_may_be_in_upper_case(tmp_path: Path) -> None:
    write(tmp_path, "a.YAML", "b.Yml")
    assert list(read_bundle(tmp_path).texts) == ["a.YAML", "b.Yml"]


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "..data/tests/a.yaml", "b.yaml")
    (tmp_path / "tests").symlink_to("..data/tests")
    assert list(read_bundle(tmp_path).texts) == ["b.yaml", "tests/a.yaml"]


def test_a_link_that_leads_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "b/c.yaml")
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    assert faults_of(tmp_path) == [
        f"{tmp_path / 'b' / 'again'}: a link leads back to a folder that contains it"
    ]


def test_a_folder_that_cannot_be_looked_into_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.yaml", "closed/b.yaml")
    look = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self.name == "closed":
            raise PermissionError(13, "Permission denied")
        return look(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert faults_of(tmp_path) == [f"{tmp_path / 'closed'}: cannot be read: Permission denied"]


def test_a_pipe_is_a_fault_and_holds_nobody_up(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    os.mkfifo(tmp_path / "b.yaml")
    os.mkfifo(tmp_path / "bundle.sig")
    assert faults_of(tmp_path) == [
        f"{tmp_path / name}: cannot be read: not a regular file" for name in ("b.yaml", "bundle.sig")
    ]


def test_a_name_has_to_be_utf_8(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text("a: 1\n")
    assert faults_of(tmp_path) == ["\\udcff.yaml: the name of the file is not UTF-8"]
