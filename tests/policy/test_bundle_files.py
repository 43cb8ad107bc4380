"""A bundle's files as a value: its hash does not depend on where the bundle is."""

from __future__ import annotations

from gateway.policy import SUMS_NAME, BundleFiles


def test_the_hash_covers_names_and_texts() -> None:
    files = BundleFiles({"a.yaml": "x", "b.yaml": "y"})
    assert files.hash.startswith("sha256:")
    assert files.hash == BundleFiles({"b.yaml": "y", "a.yaml": "x"}).hash
    others = [
        {"a.yaml": "x"},
        {"a.yaml": "y", "b.yaml": "x"},
        {"a.yaml": "x", "c.yaml": "y"},
        {"a.yamlx": "", "b.yaml": "y"},
    ]
    assert files.hash not in {BundleFiles(other).hash for other in others}


def test_the_hash_covers_the_sums_and_not_the_signature() -> None:
    files = BundleFiles({"a.yaml": "x"})
    assert BundleFiles({"a.yaml": "x"}, signature="s").hash == files.hash
    with_sums = BundleFiles({"a.yaml": "x"}, sums="list")
    assert with_sums.hash != files.hash
    assert with_sums.hash == BundleFiles({"a.yaml": "x", SUMS_NAME: "list"}).hash
