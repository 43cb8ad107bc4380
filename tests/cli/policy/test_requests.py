"""`policy explain` of a line of the decision log, and `policy eval`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.policy.test_group import LINK, bundle, run
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text
from tests.policy_tools.test_replay import make, record
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

__all__ = ["bundle"]


@pytest.fixture
def line(schema: Schema) -> str:
    """A record of a denial, by a bundle that was another one."""
    return record(schema, make(schema, policy_text("false"), binding_text()), name="n", uri=sign_link(LINK))


def test_explain_of_a_line_of_the_decision_log(bundle: Path, line: str, tmp_path: Path) -> None:
    log = tmp_path / "line.json"
    log.write_text(line)
    for done in (run("explain", log, "--bundle", bundle), run("explain", "--bundle", bundle, stdin=line)):
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == f"allow: {CREATE}"
        assert lines[1].startswith("at 2026-01-01T00:00:00Z, by the bundle sha256:")
        assert lines[2] == "recorded as deny, which would change: decision id"
        assert "  rule named: met" in lines
        assert SIGNATURE not in done.stdout


def test_explain_of_a_line_as_json(bundle: Path, line: str) -> None:
    told = json.loads(run("explain", "--bundle", bundle, "--json", stdin=line).stdout)
    assert told["decision"] == "allow"
    assert told["recorded"] == {"id": "id", "decision": "deny", "is_altered": False}


def test_explain_says_when_a_record_hides_something(bundle: Path, line: str) -> None:
    altered = json.loads(line) | {"left_out": ["updateMask"]}
    done = run("explain", "--bundle", bundle, stdin=json.dumps(altered))
    assert (
        "\n  parts of the recorded request are redacted, so values may differ from those in the call\n"
        in done.stdout
    )


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "several lines": (lambda line: line * 2, "<stdin>: one record is expected, and there are 2 lines"),
    "an unknown method": (
        lambda line: line.replace(CREATE, "s/Unheard"),
        "<stdin>: the record cannot be used: 's/Unheard' is no known method",
    ),
    "half a record": (lambda line: line[:60], "<stdin>:"),
}


@pytest.mark.parametrize("name", WRONG)
def test_explain_of_what_is_no_one_record_is_2(bundle: Path, line: str, name: str) -> None:
    alter, message = WRONG[name]
    done = run("explain", "--bundle", bundle, stdin=alter(line))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)


def test_eval_prints_a_value_and_its_type() -> None:
    done = run("eval", "request.labels", "--request", "-", stdin='{"labels": {"env": "dev"}}')
    assert (done.returncode, done.stderr, done.stdout) == (
        0,
        "",
        '{"env": "dev"}\ntype: map(string, string)\n',
    )


def test_eval_needs_no_request() -> None:
    done = run("eval", 'now > timestamp("2026-01-01T00:00:00Z")', "--now", "2026-01-02T00:00:00Z", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"value": True, "type": "bool"})


def test_eval_for_another_method() -> None:
    done = run("eval", "request.image_id", "--method", f"{SERVICE}/Get", "--request", "-", stdin="imageId: x")
    assert done.stdout == '"x"\ntype: string\n'


def test_eval_of_a_line_of_the_decision_log(line: str) -> None:
    done = run("eval", "objectStorage(request.uri).presigned", "--request", "-", stdin=line)
    assert done.stdout == "true\ntype: bool\n"


def test_eval_points_at_what_is_wrong() -> None:
    done = run("eval", "true &&\n  request.name.startswith('a')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "expression:2:16: undeclared reference to 'startswith'; did you mean startsWith?\n"
        "  2 |   request.name.startswith('a')\n"
        "    |                ^\n"
    )


def test_eval_of_what_has_no_value_is_1() -> None:
    done = run("eval", "request.labels['env']")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the expression has no value for this request: ")
    assert "Key not found" in done.stderr


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        ([], "", "Missing argument 'EXPRESSION'"),
        (["true", "--request", "/nowhere.json"], "", "No such file or directory"),
        (["true", "--request", "-"], "nam: n", "<stdin>:1:1: the request does not fit "),
        (["true", "--method", "ImageService/Create"], "", f"did you mean {CREATE}?"),
        (["true", "--now", "tomorrow"], "", "a date as 2026-12-31"),
    ],
)
def test_eval_of_wrong_usage_is_2(words: list[str], stdin: str, message: str) -> None:
    done = run("eval", *words, stdin=stdin)
    assert done.returncode == 2
    assert message in done.stderr
