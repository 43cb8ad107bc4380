"""The documents: their links and paths exist, their tables and examples agree with the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.generators.configuration import describe, write_reference
from docs.generators.metrics import write_metrics_reference
from docs.generators.policy_functions import write_functions_reference
from gateway.cli.program import main
from gateway.config.sections import Config
from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import measure_coverage, run_suites
from gateway.schema import Schema
from tests.conftest import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!\w+://)([^)#]*)(?:#([^)]+))?\)")
# `a/b.md` or `a/`: a file or a folder, not the name of a method or a media type.
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w.-]+\.[a-z]{1,5})?)`")

# A command of `baremetal-gateway`, or in prose `policy …`, `audit …` or `config …`: its words, and the rest
# up to the next command.
COMMAND = re.compile(
    r"(?:baremetal-gateway |`(?=(?:policy|audit|config) ))((?:(?:policy|audit|config) )?[a-z]+)([^`|;\n]*)"
)


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def prose(document: Path) -> str:
    """Return the text of a document without its code blocks."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> Iterator[str]:
    """Yield the anchors of the headings of a document, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_has_a_target(document: Path) -> None:
    for target, anchor in LINK.findall(prose(document)):
        file = (document.parent / target).resolve() if target else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_exists(document: Path) -> None:
    for path in PATH.findall(prose(document)):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_and_option_exists(document: Path) -> None:
    for words, rest in COMMAND.findall(document.read_text(encoding="utf-8")):
        command: Any = main
        for name in words.split():
            assert name in command.commands, words
            command = command.commands[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {*re.findall(r"--[a-z-]+", rest)} <= options, f"{words}{rest}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_make_target_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_commands_are_found() -> None:
    found = COMMAND.findall(
        "`policy hash --write`, $ A=b baremetal-gateway demo > out; baremetal-gateway routes | x --y"
    )
    assert found == [("policy hash", " --write"), ("demo", " > out"), ("routes", " ")]


def test_paths_are_found() -> None:
    assert PATH.findall("`a/b.md`, `a/b/`, `/metrics`, `a.b.C/Get`, `text/html`, `//`, `/`") == [
        "a/b.md",
        "a/b/",
    ]


def test_the_index_lists_every_document() -> None:
    index = ROOT / "docs/index.md"
    listed = {target for target, _ in LINK.findall(prose(index))}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {index.name} <= listed


def test_the_layers_are_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    layers = [layer.split(" | ") for layer in contract["layers"]]
    text = prose(ROOT / "docs/architecture.md")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", text, re.MULTILINE)
    assert [(int(number), re.findall(r"`(\w+)`", names)) for number, names in rows] == list(
        enumerate(layers, 1)
    )
    described = re.findall(r"^\| \[`(\w+)`\]", text, re.MULTILINE)
    assert sorted(described) == sorted(name for layer in layers for name in layer)


def test_every_test_of_the_threat_model_exists() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    threats = [line for line in text.splitlines() if re.match(r"\|.*\|.*\| \[`test_", line)]
    named = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", text)
    assert len(threats) > 40
    assert len(named) == text.count("[`test_")
    for name, file in named:
        tests = re.findall(
            r"^(?:async )?def (\w+)\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
        )
        assert name in tests, f"{file}: {name}"


def test_the_reasons_of_errors_exist() -> None:
    text = (ROOT / "docs/transcoding.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    assert len(reasons) > 20
    assert not [reason for reason in reasons if f'"{reason}"' not in code]


def test_the_metrics_are_documented_as_they_are() -> None:
    written = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert written == write_metrics_reference(), "run `make docs`"


def test_the_configuration_reference_is_up_to_date() -> None:
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == write_reference(), (
        "run `make docs`"
    )


def test_every_key_has_a_meaning() -> None:
    rows = list(describe())
    assert len(rows) > 20
    assert not [path for path, _, _, meaning in rows if not meaning]
    assert {path.partition(".")[0] for path, *_ in rows} == set(Config.model_fields)


def test_the_functions_of_policies_are_documented_as_they_are() -> None:
    written = (ROOT / "docs/policy-functions.md").read_text(encoding="utf-8")
    assert written == write_functions_reference(), "run `make docs`"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z][a-z0-9-]+", text))
    for requirement in project["project"]["dependencies"]:
        name = re.split(r"[<>=;\[ ]", requirement)[0]
        assert name in named or name.removesuffix("-http") + "-grpc" in named, name


def test_no_lock_names_a_host() -> None:
    for lock in [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "tests/peer").glob("*.txt")]:
        assert "://" not in lock.read_text(encoding="utf-8"), lock


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The YAML blocks of docs/policies.md beyond its tutorial, as the files of a bundle."""
    text = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {f"{number}.yaml": block for number, block in enumerate(blocks) if not block.startswith("#")}


def test_the_examples_of_policies_are_a_bundle_that_passes_its_tests(
    examples: dict[str, str], schema: Schema
) -> None:
    bundle = load_bundle(BundleFiles(examples), schema)
    results = run_suites(bundle, schema)
    assert [result.differences for result in results] == [()] * 4
    assert measure_coverage(bundle, results).missed == []
