from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.bundles import LastGood, check_sums, read_bundle, stamp_bundle, sums_path, write_sums
from gateway.bundles.sums import parse_sums
from gateway.faults import FaultsError
from gateway.policy.bundle_files import BundleFiles

TEXTS = {"b.yaml": "b: я\r\n", "a.yaml": "a: 1\n", "tests/c.yaml": ""}
ZEROS = "0" * 64


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def faults_of(files: BundleFiles) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        check_sums(files)
    return [str(fault) for fault in caught.value.faults]


def test_the_list_is_sorted_and_has_the_form_of_sha256sum() -> None:
    names = ("a.yaml", "b.yaml", "tests/c.yaml")
    assert write_sums(TEXTS) == "".join(f"{digest(TEXTS[name])}  {name}\n" for name in names)


def test_what_is_written_is_what_is_read() -> None:
    texts = TEXTS | {"a\\b.yaml": "1", "a\nb\r.yaml": "2", "a\u2028b.yaml": "3", " c  d.yaml": "4"}
    sums, faults = parse_sums(write_sums(texts), "bundle.sum")
    assert faults == []
    assert sums == {name: digest(text) for name, text in texts.items()}
    check_sums(BundleFiles(texts, sums=write_sums(texts)))


def test_sha256sum_reads_and_writes_such_a_list(tmp_path: Path) -> None:
    command = shutil.which("sha256sum")
    if command is None:
        pytest.skip("no sha256sum on this machine")
    for name, text in {**TEXTS, "d\\e.yaml": "x"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    path = sums_path(tmp_path)
    path.write_text(write_sums(read_bundle(tmp_path).texts))
    subprocess.run([command, "--check", "--strict", "bundle.sum"], cwd=tmp_path, check=True)
    names = [f"./{name}" for name in read_bundle(tmp_path).texts]
    made = subprocess.run([command, "-b", *names], cwd=tmp_path, check=True, capture_output=True, text=True)
    path.write_text(made.stdout)
    check_sums(read_bundle(tmp_path))


def test_without_a_list_anything_goes() -> None:
    check_sums(BundleFiles(TEXTS))


def test_each_file_that_is_missing_altered_or_further_is_named() -> None:
    sums = write_sums(TEXTS | {"gone.yaml": "1"})
    altered = TEXTS | {"a.yaml": "", "tests/more.yaml": "1"}
    advice = ", or write the list again with `policy hash --write`"
    assert faults_of(BundleFiles(altered, sums=sums)) == [
        f"a.yaml: was altered: its hash is not the one in bundle.sum; restore it{advice}",
        f"gone.yaml: is listed in bundle.sum, and the bundle has no such YAML file; restore it{advice}",
        f"tests/more.yaml: is not listed in bundle.sum; delete it{advice}",
    ]


def test_ends_of_lines_count(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n")
    sums_path(tmp_path).write_text(write_sums(read_bundle(tmp_path).texts))
    before = read_bundle(tmp_path).hash
    (tmp_path / "a.yaml").write_bytes(b"a: 1\r\n")
    assert faults_of(read_bundle(tmp_path))[0].startswith("a.yaml: was altered")
    assert read_bundle(tmp_path).hash != before


GOOD_LINE = f"{ZEROS}  a.yaml\n"
MALFORMED = {
    "nothing": ("", ["bundle.sum: lists no files"]),
    "an empty line": (f"{GOOD_LINE}\n", ["bundle.sum:2:1: a line is 64 hex digits, two spaces and"]),
    "half a line": (f"{GOOD_LINE}{ZEROS[:20]}", ["bundle.sum:2:1: a line is 64 hex digits"]),
    "no name": (f"{ZEROS}  \n", ["bundle.sum:1:1: a line is"]),
    "no digits": (f"{'x' * 64}  a.yaml\n", ["bundle.sum:1:1: a line is"]),
    "one space": (f"{ZEROS} a.yaml\n", ["bundle.sum:1:1: a line is"]),
    "a file twice": (
        GOOD_LINE + GOOD_LINE.replace("a.yaml", "./a.yaml"),
        ["bundle.sum:2:1: a.yaml is listed a second time; keep one"],
    ),
    "several": ("x\ny\n", ["bundle.sum:1:1: a line is", "bundle.sum:2:1: a line is"]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_list_is_named_with_its_lines(tmp_path: Path, name: str) -> None:
    text, faults = MALFORMED[name]
    found = faults_of(BundleFiles({"a.yaml": "a: 1\n"}, sums=text))
    assert [one[: len(start)] for one, start in zip(found, faults, strict=True)] == faults
    (tmp_path / "a.yaml").write_text("a: 1\n")
    sums_path(tmp_path).write_text(text)
    with pytest.raises(FaultsError) as caught:
        read_bundle(tmp_path)
    assert [
        str(fault)[: len(f"{tmp_path}/{start}")]
        for fault, start in zip(caught.value.faults, faults, strict=True)
    ] == [f"{tmp_path}/{start}" for start in faults]
    assert read_bundle(tmp_path, has_sums=False).sums is None


def test_ends_of_lines_of_the_list_do_not_count() -> None:
    text = f"{digest('1')}  a.yaml\r\n{digest('2').upper()}  b.yaml"
    check_sums(BundleFiles({"a.yaml": "1", "b.yaml": "2"}, sums=text))


def test_a_link_to_no_list_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    sums_path(tmp_path).symlink_to(tmp_path / "nowhere")
    with pytest.raises(FaultsError, match=r"bundle\.sum: cannot be read: No such file"):
        read_bundle(tmp_path)


def test_the_list_of_one_file_stands_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    assert sums_path(file) == tmp_path / "a.yaml.sum"
    sums_path(file).write_text(write_sums(read_bundle(file).texts))
    check_sums(read_bundle(file))
    assert read_bundle(tmp_path).sums is None
    file.write_text("a: 2\n")
    assert faults_of(read_bundle(file))[0].startswith("a.yaml: was altered")


def test_the_hash_is_of_the_list_too() -> None:
    """So the signature covers it."""
    with_list = BundleFiles(TEXTS, sums=write_sums(TEXTS))
    assert len({with_list.hash, BundleFiles(TEXTS).hash, BundleFiles(TEXTS, sums="").hash}) == 3


def test_a_bundle_is_kept_with_its_list(tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "kept.json")
    files = BundleFiles(TEXTS, "signature", write_sums(TEXTS))
    kept.save(files)
    assert kept.load() == files
    text = (tmp_path / "kept.json").read_text()
    (tmp_path / "kept.json").write_text(text.replace(digest(TEXTS["a.yaml"]), ZEROS))
    with pytest.raises(FaultsError, match="was altered"):
        kept.load()


def test_a_bundle_that_was_kept_without_the_key_is_loaded(tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "kept.json")
    kept.save(BundleFiles({"a.yaml": ""}))
    text = (tmp_path / "kept.json").read_text()
    assert ',"sums":null' in text
    (tmp_path / "kept.json").write_text(text.replace(',"sums":null', ""))
    assert kept.load().sums is None


def test_stamps_differ_after_every_write(tmp_path: Path) -> None:
    """Contents may be the same again."""

    def put(name: str, text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").replace(tmp_path / name)

    put("a.yaml", "a: 1\n")
    seen = [stamp_bundle(tmp_path)]
    assert stamp_bundle(tmp_path) == seen[0]
    (tmp_path / "tests").mkdir()
    for name in ("a.yaml", "tests/b.yaml", "bundle.sum", "bundle.sig"):
        put(name, "a: 1\n")
        seen.append(stamp_bundle(tmp_path))
    assert len(set(seen)) == len(seen)
    assert stamp_bundle(tmp_path / "a.yaml") != stamp_bundle(tmp_path / "nowhere.yaml")
