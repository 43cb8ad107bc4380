"""The commands that hash and sign the files of a bundle."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cli.policy.conftest import write
from tests.cli.policy.test_group import run
from tests.commands import Finished
from tests.conftest import ROOT
from tests.policy.making import binding_text, policy_text


def test_hash_is_of_what_stands_in_the_bundle(tmp_path: Path) -> None:
    hashes = [run("hash", "policies").stdout, run("hash").stdout, run("hash", "policies", cwd=ROOT).stdout]
    assert len(set(hashes)) == 1
    assert hashes[0].startswith("sha256:")
    assert len(hashes[0]) == len("sha256:") + 64 + 1
    write(tmp_path / "a.yaml", "a: [")  # it need not compile
    assert run("hash", tmp_path).returncode == 0


def test_a_signed_bundle_is_trusted_until_it_changes(
    bundle: Path, private_key: Path, public_key: Path, key: Ed25519PrivateKey
) -> None:
    def use(command: str) -> Finished:
        return run(command, bundle, GATEWAY__POLICIES__PUBLIC_KEY=str(public_key))

    unsigned = use("check")
    assert unsigned.returncode == 1
    assert "the bundle is not signed, and policies.public_key requires a signature" in unsigned.stderr

    done = run("sign", bundle, "--key", private_key)
    signature = bundle.with_name("old.yaml.sig")
    digest = run("hash", bundle).stdout.strip()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"signed {digest}: {signature}\n"
    key.public_key().verify(base64.b64decode(signature.read_text()), digest.encode())
    assert use("check").returncode == 0

    write(bundle, bundle.read_text() + "# changed\n")
    changed = use("check")
    assert changed.returncode == 1
    assert "the signature does not match" in changed.stderr
    assert use("test").stdout  # a candidate need not be signed to be tried


def test_sign_writes_into_the_folder_that_the_configuration_names(tmp_path: Path, private_key: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    write(folder / "a.yaml", policy_text("true") + binding_text())
    done = run("sign", "--key", private_key, cwd=tmp_path)
    assert done.returncode == 0
    assert (folder / "bundle.sig").read_text().endswith("\n")


def test_sign_needs_a_key(bundle: Path) -> None:
    done = run("sign", bundle)
    assert done.returncode == 2
    assert "Missing option '--key'" in done.stderr


def test_sign_into_a_place_that_is_taken(bundle: Path, private_key: Path) -> None:
    bundle.with_name("old.yaml.sig").mkdir()
    done = run("sign", bundle, "--key", private_key)
    assert done.returncode in {1, 2}
    assert "old.yaml.sig" in done.stderr


def test_check_holds_a_bundle_to_its_list(listed: Path) -> None:
    assert run("check", listed).returncode in {0, 1}
    for change, name in (
        ((listed / "b.yaml").unlink, "b.yaml: is listed in bundle.sum"),
        (lambda: write(listed / "b.yaml", policy_text("true") + binding_text()), "b.yaml: was altered"),
        (lambda: write(listed / "c.yaml", policy_text("true") + binding_text()), "c.yaml: is not listed"),
        (lambda: write(listed / "bundle.sum", "x\n"), "bundle.sum:1:1: a line is 64 hex digits"),
    ):
        change()
        done = run("check", listed)
        assert done.returncode == 1
        assert name in done.stderr
        told = json.loads(run("check", listed, "--json").stdout)
        assert any(fault["file"].endswith(name.partition(":")[0]) for fault in told["faults"])


def test_an_author_may_try_what_is_not_listed_yet(listed: Path) -> None:
    write(listed / "a.yaml", policy_text("true") + binding_text())
    assert run("explain", "--bundle", listed, stdin="{}").returncode == 0
    assert run("hash", listed, "--write").returncode == 0
    assert run("check", listed).stdout.startswith("sha256:")


def test_a_malformed_list_is_written_again(listed: Path) -> None:
    write(listed / "bundle.sum", "")
    assert "bundle.sum: lists no files" in run("hash", listed).stderr
    assert run("hash", listed, "--write").returncode == 0
    assert run("hash", listed).returncode == 0


def test_a_bundle_that_is_not_its_list_is_not_signed(listed: Path, private_key: Path) -> None:
    write(listed / "a.yaml", policy_text("true") + binding_text())
    done = run("sign", listed, "--key", private_key)
    assert done.returncode == 1
    assert "a.yaml: was altered" in done.stderr
    assert not (listed / "bundle.sig").exists()


def test_a_signature_covers_the_list(listed: Path, private_key: Path, public_key: Path) -> None:
    def check() -> Finished:
        return run("check", listed, GATEWAY__POLICIES__PUBLIC_KEY=str(public_key))

    assert run("sign", listed, "--key", private_key).returncode == 0
    assert "the signature" not in check().stderr
    (listed / "bundle.sum").unlink()
    assert "the signature does not match" in check().stderr


def test_nobody_vouches_for_a_file_that_was_emptied(listed: Path, private_key: Path) -> None:
    write(listed / "a.yaml", "# nothing\n")
    (listed / "bundle.sum").unlink()
    options = {"check": [], "test": [], "hash": ["--write"], "sign": ["--key", str(private_key)]}
    for command, words in options.items():
        done = run(command, listed, *words)
        assert done.returncode == 1
        assert "a.yaml: contains no documents; restore its content, or delete the file" in done.stderr
    assert sorted(one.name for one in listed.iterdir()) == ["a.yaml", "b.yaml"]


def test_the_list_of_one_file(bundle: Path) -> None:
    assert run("hash", bundle, "--write").returncode == 0
    assert bundle.with_name("old.yaml.sum").read_text().endswith("  old.yaml\n")
    write(bundle, bundle.read_text() + "# changed\n")
    assert "old.yaml: was altered" in run("check", bundle).stderr
