"""The commands about policies as a user runs them: their output and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.commands import Finished, run_command
from tests.conftest import GOOD_IMAGE, ROOT
from tests.policy.making import CREATE, SERVICE, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.policy_tools.test_difference import suite_text
from tests.signed import SIGNATURE, sign_link

NOW = "2026-01-01T00:00:00Z"
LINK = "https://storage.yandexcloud.net/golden-images/a.iso"


def run(*words: str | Path, stdin: str | bytes = "", cwd: Path = ROOT, **environment: str) -> Finished:
    return run_command("policy", *words, stdin=stdin, cwd=cwd, **environment)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one rule that asks for a name, with a warning beside it and tests that show both."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    rule = {"name": "named", "field": "name", "assert": "request.name != ''", "message": "'set a name'"}
    advice = policy_text("request.uri == ''", name="advice")
    text = policy_text(rule) + binding_text() + advice + binding_text("a", "advice", action="warn")
    (folder / "policy.yaml").write_text(text)
    unnamed = {"decision": "deny", "violations": [{"rule": "p/named"}]}
    warned = {"decision": "allow", "warnings": [{"rule": "advice/r0"}]}
    cases = [
        {"name": "unnamed", "expect": unnamed},
        {"name": "named", "request": {"name": "n", "uri": LINK}, "expect": warned},
    ]
    (folder / "tests.yaml").write_text(suite_text(*cases))
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# check


def test_check_of_a_sound_bundle(bundle: Path) -> None:
    done = run("check", bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sha256:")
    assert done.stdout.endswith(": 2 rules for 1 method, no faults\n")


def test_check_names_every_fault_with_its_place(bundle: Path) -> None:
    write(bundle / "policy.yaml", policy_text("request.nam == ''", ruls=1) + binding_text(acton="deny"))
    write(bundle / "other.yaml", policy_text("request.url == ''", name="q") + binding_text("c", "q"))
    write(bundle / "broken.yaml", "a: [")
    done = run("check", bundle)
    assert (done.returncode, done.stdout) == (1, "")
    places = [line.partition(": ")[0] for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert places == ["broken.yaml:2:1", "policy.yaml:9:3", "policy.yaml:20:3", "other.yaml:11:21"]
    assert "\n  9 |   ruls: 1\n    |   ^\n" in done.stderr
    assert "did you mean rules?" in done.stderr
    assert "did you mean uri?" in done.stderr


def test_check_warns_of_what_compiles_and_is_weak(bundle: Path) -> None:
    with (bundle / "policy.yaml").open("a") as file:
        file.write(waiver_text(rules=["named"], expires="2020-01-01"))
    done = run("check", bundle)
    assert done.returncode == 1
    assert done.stderr.startswith("warning: policy.yaml:")
    assert "spec.expires: expired, so the waiver has no effect" in done.stderr
    assert done.stdout.endswith(", 1 warning\n")


def test_check_notes_what_may_be_meant(tmp_path: Path) -> None:
    methods = [f"{SERVICE}/Get"]
    write(tmp_path / "a.yaml", policy_text("request.image_id != ''", methods=methods) + binding_text())
    done = run("check", tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"note: bundle: {CREATE}: creates something, and no binding is about it\n")


def test_check_as_json(bundle: Path) -> None:
    told = json.loads(run("check", bundle, "--json").stdout)
    assert told == {"bundle": told["bundle"], "faults": [], "findings": []}
    assert told["bundle"].startswith("sha256:")
    with (bundle / "policy.yaml").open("a") as file:
        file.write(binding_text("a2", "advice", action="warn"))
    weak = run("check", bundle, "--json")
    (finding,) = json.loads(weak.stdout)["findings"]
    assert weak.returncode == 1
    assert (finding["level"], finding["file"], finding["key"]) == ("warning", "policy.yaml", "metadata.name")
    assert (finding["line"] > 0, finding["column"]) == (True, 3)
    write(bundle / "policy.yaml", "a: [")
    broken = run("check", bundle, "--json")
    (fault,) = json.loads(broken.stdout)["faults"]
    assert (broken.returncode, broken.stderr) == (1, "")
    assert (fault["file"], fault["line"], fault["column"], fault["key"]) == ("policy.yaml", 2, 1, "")
    assert fault["message"].startswith("not valid YAML: ")


def test_check_of_the_bundle_that_the_configuration_names(bundle: Path, tmp_path: Path) -> None:
    config = write(tmp_path / "gateway.yaml", f"policies: {{path: {bundle}}}\n")
    for done in (run("check", "--config", config), run("check", GATEWAY__POLICIES__PATH=str(bundle))):
        assert (done.returncode, done.stderr) == (0, "")
        assert "2 rules" in done.stdout


@pytest.mark.parametrize("words", [["check"], ["test"], ["hash"], ["explain"], ["sign", "--key", "k"]])
def test_a_configuration_that_names_no_bundle_is_wrong(tmp_path: Path, words: list[str]) -> None:
    done = run(*words, cwd=tmp_path, stdin="{}")
    assert done.returncode == 2
    assert "there is no bundle at policies, where policies.path of the configuration points" in done.stderr


# test


def test_test_of_a_bundle(bundle: Path) -> None:
    done = run("test", bundle, "--coverage", "100")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "passed  tests.yaml: unnamed",
        "passed  tests.yaml: named",
        "2 passed, 0 failed",
        "rules, mutations, waivers and bindings covered by tests: 4 of 4 (100.0 %)",
    ]


def test_a_failed_test_tells_what_was_expected_and_what_came(bundle: Path) -> None:
    case = {
        "request": {"uri": LINK},
        "expect": {"decision": "allow", "violations": [{"rule": "p/named", "message": "name it"}]},
    }
    write(bundle / "tests.yaml", suite_text(case))
    done = run("test", bundle)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "FAILED  tests.yaml: c",
        "        decision: expected allow, got deny",
        "        violation p/named: expected the message 'name it'",
        "        violation p/named:      got the message 'set a name; name is not set'",
        "        warning advice/r0: not expected: does not meet: request.uri == ''",
        "0 passed, 1 failed",
        "rules, mutations, waivers and bindings covered by tests: 4 of 4 (100.0 %)",
    ]


def test_too_little_coverage_is_a_fault(bundle: Path) -> None:
    write(bundle / "tests.yaml", suite_text({"request": {"name": "n"}}))
    assert run("test", bundle).returncode == 0
    done = run("test", bundle, "--coverage", "0.5")
    assert done.returncode == 1
    assert "  no test shows: advice/r0\n  no test shows: binding a\n" in done.stdout
    assert done.stderr == "coverage is 0.0 %, 0.5 % are required\n"


def test_no_tests_are_a_fault(bundle: Path) -> None:
    (bundle / "tests.yaml").unlink()
    done = run("test", bundle)
    assert done.returncode == 1
    assert "there are no tests; add them to the bundle, as kind: Tests" in done.stdout


def test_test_as_json_and_as_junit(bundle: Path, tmp_path: Path) -> None:
    with (bundle / "tests.yaml").open("a") as file:
        file.write(
            suite_text({"name": "wrong ]]>", "expect": {"decision": "allow"}}).partition("cases:\n")[2]
        )
    report = tmp_path / "report.xml"
    done = run("test", bundle, "--json", "--junit", report)
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert [(one["case"], one["passed"]) for one in told["cases"]] == [
        ("unnamed", True),
        ("named", True),
        ("wrong ]]>", False),
    ]
    assert told["cases"][2]["file"] == "tests.yaml"
    assert told["cases"][2]["differences"][0] == "decision: expected allow, got deny"
    assert told["coverage"] == {"percent": 100.0, "missed": []}
    root = ET.fromstring(report.read_bytes())  # noqa: S314 - our own text
    assert [case.get("name") for case in root.iter("testcase")] == ["unnamed", "named", "wrong ]]>"]
    assert (root.get("tests"), root.get("failures")) == ("3", "1")


def test_the_bundle_that_ships_is_covered_wholly() -> None:
    done = run("test", "policies", "--coverage", "100")
    assert (done.returncode, done.stderr) == (0, "")


def test_check_reports_what_callers_do_not_have(tmp_path: Path) -> None:
    """It passes its tests, which name callers of their own, and can never be true in service."""
    write(tmp_path / "p.yaml", policy_text('"admins" in caller.groups') + binding_text())
    cases = [
        {"name": "admin", "caller": {"groups": ["admins"]}},
        {"name": "other", "expect": {"decision": "deny", "violations": [{"rule": "p/r0"}]}},
    ]
    write(tmp_path / "tests.yaml", suite_text(*cases))
    assert run("test", tmp_path, "--coverage", "100").returncode == 0
    done = run("check", tmp_path)
    assert done.returncode == 1
    assert done.stdout.endswith(": 1 rule for 1 method, 1 warning\n")
    assert done.stderr.startswith("warning: p.yaml:11:26: spec.rules[0].assert: reads caller.groups: ")
    line = """    assert: '"admins" in caller.groups'"""
    assert done.stderr.endswith(f"\n  11 | {line}\n     | {' ' * 25}^\n")
    (finding,) = json.loads(run("check", tmp_path, "--json").stdout)["findings"]
    assert (finding["level"], finding["line"]) == ("warning", 11)


# explain


def test_explain_of_the_bundle_that_ships(tmp_path: Path) -> None:
    labels = {"env": "prod", "owner": "infra"}
    request = GOOD_IMAGE | {"uri": sign_link(LINK.replace("golden", "other")), "labels": labels}
    file = write(tmp_path / "request.json", json.dumps(request))
    done = run("explain", file, "--bundle", "policies", "--now", NOW)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"deny: {CREATE}"
    assert lines[1].startswith(f"at {NOW}, by the bundle sha256:")
    assert lines[2:4] == [
        (
            "  deny: approved-source/bucket (approved-sources): bucket other-images is not approved; "
            'use one of golden-images; uri is "https://storage.yandexcloud.net/other-images/a.iso?…"'
        ),
        (
            "  deny: required-labels/cost-center (labels-on-create): set the label cost-center to the one "
            'that pays for the image; labels["cost-center"] is not set'
        ),
    ]
    for line in (
        "binding approved-sources: policy approved-source, deny",
        "  rule bucket: broken",
        '    source.problem != "" || source.bucket in params.buckets  →  false',
        '        source.bucket  →  "other-images"',
        '        params.buckets  →  ["golden-images"]',
        "  rule lasting: met",
    ):
        assert line in lines
    assert SIGNATURE not in done.stdout


@pytest.mark.parametrize("words", [[], ["-"]])
def test_explain_of_what_stands_on_standard_input(bundle: Path, words: list[str]) -> None:
    done = run("explain", *words, "--bundle", bundle, stdin="name: n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"allow: {CREATE}\n")


def test_explain_as_json(bundle: Path) -> None:
    question = {"request": {}, "now": NOW, "caller": {"id": "me"}}
    done = run("explain", "--bundle", bundle, "--json", stdin=json.dumps(question))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["decision"], told["now"]) == ("deny", NOW)
    assert [one["rule"] for one in told["violations"]] == ["named"]
    assert told["bindings"][0]["rules"][0]["parts"][1] == {
        "depth": 1,
        "text": "request.name",
        "value": '""',
    }


def test_explain_of_another_method() -> None:
    done = run("explain", "--bundle", "policies", "--method", f"{SERVICE}/Get", stdin="imageId: x")
    assert done.returncode == 0
    assert "no binding is about the method, so nothing is evaluated" in done.stdout


# Words and standard input → what is said; each is wrong usage.
WRONG: dict[str, tuple[list[str], str | bytes, str]] = {
    "no request": (["explain"], "", "<stdin>: write one request, as an object"),
    "broken request": (["explain"], '{"name": ', "<stdin>:2:1: not valid YAML: "),
    "binary request": (["explain"], b"\xff\xfe\x00", "the request is not UTF-8 text"),
    "unknown field": (["explain"], "nam: n", "<stdin>:1:1: the request does not fit "),
    "no such request": (["explain", "/nowhere.json"], "", "No such file or directory"),
    "a folder as request": (["explain", "/"], "", "Is a directory"),
    "unknown method": (["explain", "--method", "Create"], "{}", f"did you mean {CREATE}?"),
    "bad time": (
        ["explain", "--now", "tomorrow"],
        "{}",
        "now: 'tomorrow': a date as 2026-12-31, or a time with",
    ),
    "no such bundle": (["explain", "--bundle", "/nowhere"], "{}", "Path '/nowhere' does not exist"),
    "a bundle with too long a path": (
        ["check", "x" * 300],
        "",
        f"Path '{'x' * 300}' cannot be read: File name too long",
    ),
    "no such bundle to check": (["check", "/nowhere"], "", "Path '/nowhere' does not exist"),
    "no such bundle to compare": (["diff", "policies", "/nowhere"], "", "Path '/nowhere' does not exist"),
    "one bundle to compare": (["diff", "policies"], "", "Missing argument 'NEW'"),
    "no such records": (["replay", "/nowhere.jsonl"], "", "No such file or directory"),
    "no records": (["replay", "-"], "", "there are no records of decisions here"),
    "other lines than records": (
        ["replay", "-"],
        '{"message": "started"}\n',
        "there are no records of decisions",
    ),
    "negative number": (["replay", "-", "--examples", "-1"], "", "-1 is not in the range x>=0"),
    "no percentage": (["test", "policies", "--coverage", "101"], "", "101.0 is not in the range 0<=x<=100"),
    "no place for a report": (
        ["test", "policies", "--junit", "/nowhere/r.xml"],
        "",
        "/nowhere/r.xml cannot be written",
    ),
    "no such configuration": (["check", "--config", "/nowhere.yaml"], "", "/nowhere.yaml: cannot be read"),
    "no such key": (["sign", "policies", "--key", "/nowhere.pem"], "", "/nowhere.pem: cannot be read"),
    "no key": (["sign", "policies", "--key", "README.md"], "", "no private key in PEM form"),
    "no such command": (["chek"], "", "No such command 'chek'"),
    "no such option": (["check", "--jsn"], "", "No such option"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_2_and_says_what_is_wrong(name: str) -> None:
    words, stdin, message = WRONG[name]
    done = run(*words, stdin=stdin)
    assert done.returncode == 2
    assert message in done.stderr


UNREADABLE = {
    "empty": (b"", "bundle.yaml: contains no documents; restore its content, or delete the file"),
    "binary": (b"\xff\xfe\x00", "cannot be read: not UTF-8 text"),
    "deep": (b"[" * 100_000, "bundle.yaml:1:65: too large"),
    "long": (b"a" * 1_000_000, "bundle.yaml:1:1: kind: is required"),
}


@pytest.mark.parametrize("command", ["check", "test", "explain", "replay", "diff"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_bundle_that_is_none_is_1(tmp_path: Path, command: str, name: str) -> None:
    content, message = UNREADABLE[name]
    path = tmp_path / "bundle.yaml"
    path.write_bytes(content)
    words: dict[str, list[str | Path]] = {
        "explain": ["explain", "--bundle", path],
        "replay": ["replay", "-", "--bundle", path],
        "diff": ["diff", "policies", path],
    }
    done = run(*words.get(command, [command, path]), stdin="{}")
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr) < 400


def test_a_folder_without_a_bundle_is_1(tmp_path: Path) -> None:
    done = run("check", tmp_path)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}: contains no .yaml file\n")
