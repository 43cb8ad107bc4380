"""The commands that compare, replay, describe, hash and sign bundles, as a user runs them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no stubs among what is installed
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.documents import load_documents
from tests.cli.policy.test_group import COMMAND, NOW, Done, run
from tests.conftest import ROOT
from tests.policy.making import CREATE, binding_text, policy_text
from tests.signed import SIGNATURE, sign_link

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"
RECORD: dict[str, Any] = {
    "kind": "decision",
    "id": "0123",
    "time": NOW,
    "method": CREATE,
    "decision": "allow",
    "request": {"name": "n"},
}
FULL = Path("/dev/full")


def record(**changes: Any) -> str:
    return json.dumps(RECORD | changes) + "\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one rule: a name is asked for."""
    return write(tmp_path / "old.yaml", policy_text("request.name != ''") + binding_text())


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The same with another rule, and a field that it sets."""
    settings = [{"field": "description", "value": "'d'"}]
    text = policy_text("true", "request.name.size() > 1", set=settings) + binding_text()
    return write(tmp_path / "new.yaml", text)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# replay


def test_replay_without_a_change(bundle: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "decisions.jsonl", record() + '{"message": "started"}\n\n' + record())
    done = run("replay", log, "--bundle", bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2 decisions judged again, 0 would change",
        "lines passed over, which are no records of decisions: 1",
    ]


def test_replay_tells_counts_and_examples(candidate: Path) -> None:
    denied = {"decision": "deny", "violations": [{"policy": "p", "rule": "r0", "action": "deny"}]}
    lines = record(id="a") + record(id="b") + record(id="c", request={"name": "name"}, **denied)
    done = run("replay", "-", "--bundle", candidate, stdin=lines)
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        done.stdout
        == """\
3 decisions judged again, 3 would change
       2  allow → deny
       1  deny → allow
       3  set otherwise: description
       2  newly broken: deny p/r1
       1  newly met: deny p/r0

a  ImageService/Create: allow, would be deny
  + deny p/r1: does not meet: request.name.size() > 1
  ~ description: left as it was → "d"

b  ImageService/Create: allow, would be deny
  + deny p/r1: does not meet: request.name.size() > 1
  ~ description: left as it was → "d"

c  ImageService/Create: deny, would be allow
  - deny p/r0
  ~ description: left as it was → "d"
"""
    )


def test_replay_shows_as_many_examples_as_are_asked_for(candidate: Path) -> None:
    lines = "".join(record(id=f"id-{number}") for number in range(12))
    for words, count in (([], 10), (["--examples", "2"], 2), (["--examples", "0"], 0)):
        done = run("replay", "-", "--bundle", candidate, *words, stdin=lines)
        assert done.stdout.count("\nid-") == count
        assert done.stdout.startswith("12 decisions judged again, 12 would change\n")


def test_replay_tells_of_records_that_cannot_be_judged(bundle: Path) -> None:
    lines = record() + "no JSON\n" + record(method="a/B") + "\x80\n"
    done = run("replay", "-", "--bundle", bundle, stdin=lines)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "line 2: not JSON",
        "line 3: 'a/B' is no known method",
        "line 4: not JSON",
        "records that could not be judged again: 3",
    ]


def test_replay_of_binary_lines(bundle: Path) -> None:
    done = run("replay", "-", "--bundle", bundle, stdin=b"\xff\xfe\x00\n" + record().encode())
    assert done.returncode == 1
    assert done.stderr.startswith("line 1: not JSON\n")


def test_replay_says_when_a_record_hides_what_was_judged(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b.yaml", policy_text("request.uri == 'x'") + binding_text())
    hidden = record(request={"uri": f"{LINK}?…"}, is_masked=True)
    done = run("replay", "-", "--bundle", bundle, stdin=hidden)
    assert "(the record hides parts of the request; the difference may come from that)" in done.stdout


def test_replay_as_json(candidate: Path) -> None:
    done = run("replay", "-", "--bundle", candidate, "--json", stdin=record() + "no JSON\n")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told.pop("bundle").startswith("sha256:")
    assert told == {
        "changed": 1,
        "replayed": 1,
        "passed_over": 0,
        "changes": [
            {
                "id": "0123",
                "method": CREATE,
                "before": "allow",
                "after": "deny",
                "newly_broken": {"deny p/r1": "does not meet: request.name.size() > 1"},
                "newly_met": [],
                "set_otherwise": {"description": 'left as it was → "d"'},
                "is_altered": False,
            }
        ],
        "unreadable": ["line 2: not JSON"],
    }


# diff


def test_diff(bundle: Path, candidate: Path) -> None:
    done = run("diff", bundle, candidate)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *lines = done.stdout.splitlines()
    assert first.startswith(f"--- {bundle} sha256:")
    assert second.startswith(f"+++ {candidate} sha256:")
    assert lines == [
        '~ Policy p: spec.rules[r0].assert: "request.name != \'\'" → "true"',
        '+ Policy p: spec.rules[r1].assert: "request.name.size() > 1"',
        '+ Policy p: spec.rules[r1].field: ""',
        '+ Policy p: spec.rules[r1].severity: "medium"',
        '+ Policy p: spec.set: [{"field": "description", "value": "\'d\'", "when": null}]',
    ]


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--exit-code"], 1)])
def test_diff_ends_with_1_when_that_is_asked_for(
    bundle: Path, candidate: Path, words: list[str], code: int
) -> None:
    assert run("diff", bundle, candidate, *words).returncode == code
    same = run("diff", bundle, bundle, *words)
    assert same.returncode == 0
    assert same.stdout.endswith("\nno differences\n")


def test_diff_as_json(bundle: Path, candidate: Path) -> None:
    done = run("diff", bundle, candidate, "--json", "--exit-code")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["old"] != told["new"]
    assert told["differences"][0] == {
        "sign": "~",
        "what": "Policy p: spec.rules[r0].assert",
        "before": "\"request.name != ''\"",
        "after": '"true"',
    }


# schema


def test_schema_is_one_of_the_documents_that_ship() -> None:
    done = run("schema")
    assert (done.returncode, done.stderr) == (0, "")
    validator = jsonschema.Draft202012Validator(json.loads(done.stdout))
    for file in (ROOT / "policies").rglob("*.yaml"):
        for document in load_documents(file.read_text(), file.name):
            assert validator.is_valid(document.value)


# hash and sign


def test_hash_is_of_what_stands_in_the_bundle(tmp_path: Path) -> None:
    hashes = [run("hash", "policies").stdout, run("hash").stdout, run("hash", "policies", cwd=ROOT).stdout]
    assert len(set(hashes)) == 1
    assert hashes[0].startswith("sha256:")
    assert len(hashes[0]) == len("sha256:") + 64 + 1
    write(tmp_path / "a.yaml", "a: [")  # it need not compile
    assert run("hash", tmp_path).returncode == 0


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def private_key(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return write(tmp_path / "private.pem", pem.decode())


@pytest.fixture
def public_key(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return write(tmp_path / "public.pem", pem.decode())


def test_a_signed_bundle_is_trusted_until_it_changes(
    bundle: Path, private_key: Path, public_key: Path, key: Ed25519PrivateKey
) -> None:
    def use(command: str) -> Done:
        return run(command, bundle, GATEWAY__POLICIES__PUBLIC_KEY=str(public_key))

    unsigned = use("check")
    assert unsigned.returncode == 1
    assert "the bundle is not signed, and policies.public_key asks for a signature" in unsigned.stderr

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
    assert "the signature does not fit" in changed.stderr
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


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A bundle of two files with the list of them."""
    folder = tmp_path / "listed"
    folder.mkdir()
    write(folder / "a.yaml", policy_text("request.name != ''") + binding_text())
    write(folder / "b.yaml", policy_text("true", name="q") + binding_text("c", "q"))
    done = run("hash", folder, "--write")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("hash", folder).stdout
    assert (folder / "bundle.sum").read_text().count("\n") == 2
    return folder


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
    def check() -> Done:
        return run("check", listed, GATEWAY__POLICIES__PUBLIC_KEY=str(public_key))

    assert run("sign", listed, "--key", private_key).returncode == 0
    assert "the signature" not in check().stderr
    (listed / "bundle.sum").unlink()
    assert "the signature does not fit" in check().stderr


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


# What reads or takes the output may end


@pytest.mark.parametrize(
    "command", ["policy schema", "policy test policies", "policy explain --bundle policies"]
)
def test_a_reader_that_goes_away_is_no_error(command: str) -> None:
    words = [*COMMAND, *command.split()[1:]]
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"{}")
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in {0, 1}


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full here")
@pytest.mark.parametrize(
    "words", [["schema"], ["check", "policies"], ["hash", "policies"], ["diff", "policies", "policies"]]
)
def test_output_that_finds_no_place_is_told(words: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "Error: reading or writing failed: No space left on device\n"


@pytest.mark.parametrize(
    "words", [["explain", "--bundle", "policies"], ["replay", "-", "--bundle", "policies"]]
)
def test_a_closed_standard_input_holds_nothing(words: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        preexec_fn=lambda: os.close(0),  # as `<&-` does in a shell
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "one request is expected" in done.stderr or "there are no records" in done.stderr


def test_no_secret_leaves_any_command(tmp_path: Path) -> None:
    text = (ROOT / "policies/tests/approved-source.yaml").read_text()
    for file in (ROOT / "policies").glob("*.yaml"):
        write(tmp_path / file.name, file.read_text())
    write(tmp_path / "tests.yaml", text.replace("decision: allow", "decision: deny"))
    link = sign_link(LINK.replace("https://", "https://user:pa55word@"))
    bad = record(request={"labels": link}) + record(request={"uri": link})
    outputs = [
        run("test", tmp_path, "--json"),
        run("diff", "policies", tmp_path),
        run("explain", "--bundle", "policies", stdin=json.dumps({"uri": link, "description": SIGNATURE})),
        run("explain", "--bundle", "policies", "--json", stdin=json.dumps({"uri": link})),
        run("explain", "--bundle", "policies", stdin=json.dumps({"labels": link})),
        run("replay", "-", "--bundle", "policies", "--json", stdin=bad),
    ]
    for done in outputs:
        told = done.stdout + done.stderr
        assert told
        for secret in (SIGNATURE, "pa55word", "0123456789abcdef" * 4):
            assert secret not in told
