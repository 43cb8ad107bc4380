"""The command that replays records."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.policy.conftest import LINK, record, write
from tests.cli.policy.test_group import run
from tests.policy.making import CREATE, binding_text, policy_text


def test_replay_without_a_change(bundle: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "decisions.jsonl", record() + '{"message": "started"}\n\n' + record())
    done = run("replay", log, "--bundle", bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2 decisions evaluated, 0 would change",
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
3 decisions evaluated, 3 would change
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
        assert done.stdout.startswith("12 decisions evaluated, 12 would change\n")


def test_replay_tells_of_records_that_cannot_be_judged(bundle: Path) -> None:
    lines = record() + "no JSON\n" + record(method="a/B") + "\x80\n"
    done = run("replay", "-", "--bundle", bundle, stdin=lines)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "line 2: not JSON",
        "line 3: 'a/B' is no known method",
        "line 4: not JSON",
        "records that could not be evaluated: 3",
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
