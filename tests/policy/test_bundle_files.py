"""The hash of the files of a bundle."""

from __future__ import annotations

from gateway.policy.bundle_files import BundleFiles
from tests.policy.making import binding_text, policy_text

GOOD = policy_text("true") + binding_text()
TESTS = """\
---
apiVersion: baremetal-gateway/v1
kind: Tests
metadata: {name: t}
cases:
  - {name: a, method: m, request: {}, expect: {decision: allow}}
"""

FILES = {"a.yaml": GOOD, "tests/b.yaml": TESTS}
CHANGED: list[dict[str, str]] = [
    {"a.yaml": GOOD + "# a comment\n", "tests/b.yaml": TESTS},
    {"a.yaml": GOOD.replace("true", "True || true"), "tests/b.yaml": TESTS},
    {"a.yaml": GOOD, "tests/b.yaml": TESTS + "\n"},
    {"b.yaml": GOOD, "tests/b.yaml": TESTS},
    {"a.yaml": TESTS, "tests/b.yaml": GOOD},
    {"a.yaml": GOOD},
    {"a.yaml": GOOD + TESTS},
    {**FILES, "c.yaml": TESTS},
]


def test_the_hash_is_of_every_name_and_text() -> None:
    first = BundleFiles(FILES).hash
    hashes = {BundleFiles(files).hash for files in CHANGED if "True" not in files.get("a.yaml", "")}
    assert first.startswith("sha256:")
    assert len(first) == len("sha256:") + 64
    assert first not in hashes
    assert len(hashes) == len(CHANGED) - 1


def test_the_hash_does_not_depend_on_the_order() -> None:
    turned = dict(reversed(FILES.items()))
    assert BundleFiles(turned).hash == BundleFiles(FILES).hash


def test_names_and_texts_do_not_run_together() -> None:
    """A file's end cannot be moved without changing the hash."""
    one = BundleFiles({"a": GOOD, "b": "# cd"}).hash
    other = BundleFiles({"a": GOOD + "b", "# cd": ""} | {"a": GOOD + "# b"}).hash
    assert one != other


def test_the_hash_is_of_the_sums_and_not_of_the_signature() -> None:
    plain = BundleFiles(FILES)
    assert BundleFiles(FILES, signature="s").hash == plain.hash
    assert BundleFiles(FILES, sums="s").hash not in {plain.hash, BundleFiles(FILES, sums="t").hash}
