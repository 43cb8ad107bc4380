from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tlog import (
    EMPTY_ROOT,
    RightEdge,
    consistency_proof,
    hash_children,
    hash_leaf,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The vectors of the reference implementation of RFC 6962:
# https://github.com/google/certificate-transparency/blob/master/cpp/merkletree/merkle_tree_test.cc
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [hash_leaf(entry) for entry in ENTRIES]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = [  # index, size, proof
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [  # old size, new size, proof
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
SIZES = st.integers(0, 140)


def naive_root(entries: Sequence[bytes]) -> bytes:
    """Return the root as https://www.rfc-editor.org/rfc/rfc6962#section-2.1 defines it."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = max(2**k for k in range(16) if 2**k < len(entries))
    children = naive_root(entries[:split]) + naive_root(entries[split:])
    return hashlib.sha256(b"\x01" + children).digest()


def numbered(size: int) -> list[bytes]:
    return [b"%d" % number for number in range(size)]


def leaves_of(size: int) -> list[bytes]:
    return [hash_leaf(entry) for entry in numbered(size)]


def flip(hashed: bytes, bit: int) -> bytes:
    return (int.from_bytes(hashed, "big") ^ (1 << bit)).to_bytes(len(hashed), "big")


def altered(proof: Sequence[bytes], bit: int) -> list[list[bytes]]:
    """Return proofs that differ from a proof in one place."""
    longer = [[*proof[:at], bytes(32), *proof[at:]] for at in range(len(proof) + 1)]
    shorter = [[*proof[:at], *proof[at + 1 :]] for at in range(len(proof))]
    flipped = [[*proof[:at], flip(proof[at], bit), *proof[at + 1 :]] for at in range(len(proof))]
    cut = [[*proof[:at], proof[at][:-1], *proof[at + 1 :]] for at in range(len(proof))]
    return longer + shorter + flipped + cut


def test_the_empty_tree() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert RightEdge().root() == EMPTY_ROOT == root_of([])


def test_hashes_of_nodes() -> None:
    assert hash_leaf(b"a") == hashlib.sha256(b"\x00a").digest()
    assert hash_children(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_of_the_reference(size: int) -> None:
    assert root_of(LEAVES[:size]) == ROOTS[size - 1] == naive_root(ENTRIES[:size])


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_the_inclusion_proofs_of_the_reference(index: int, size: int, proof: list[str]) -> None:
    assert [one.hex() for one in inclusion_proof(LEAVES[:size], index)] == proof


@pytest.mark.parametrize(("old_size", "new_size", "proof"), CONSISTENCY)
def test_the_consistency_proofs_of_the_reference(old_size: int, new_size: int, proof: list[str]) -> None:
    assert [one.hex() for one in consistency_proof(LEAVES[:new_size], old_size)] == proof


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=40), max_size=70))
def test_the_right_edge_has_the_root_of_the_definition(entries: list[bytes]) -> None:
    edge = RightEdge()
    for size, entry in enumerate(entries, 1):
        edge.append(hash_leaf(entry))
        assert edge.size == size
        assert len(edge.hashes) == size.bit_count()
    assert edge.root() == naive_root(entries)


@pytest.mark.parametrize("size", range(9))
def test_leaves_can_be_added_one_by_one_or_together(size: int) -> None:
    for more in range(20):
        one_by_one, together = RightEdge(), RightEdge()
        for leaf in leaves_of(size + more):
            one_by_one.append(leaf)
        together.extend(leaves_of(size + more)[:size])
        together.extend(leaves_of(size + more)[size:])
        assert (together.size, together.hashes) == (one_by_one.size, one_by_one.hashes)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(SIZES, SIZES)
def test_a_restored_tree_grows_as_the_stored_one(size: int, more: int) -> None:
    leaves = leaves_of(size + more)
    stored = RightEdge()
    stored.extend(leaves[:size])
    restored = RightEdge.restore(stored.size, stored.hashes)
    restored.extend(leaves[size:])
    assert (restored.size, restored.root()) == (size + more, naive_root(numbered(size + more)))
    assert (stored.size, stored.root()) == (size, naive_root(numbered(size)))


def test_the_hashes_are_those_of_the_largest_subtrees_first() -> None:
    edge = RightEdge()
    edge.extend(LEAVES[:7])
    assert edge.hashes == (root_of(LEAVES[:4]), root_of(LEAVES[4:6]), LEAVES[6])
    assert repr(edge) == f"RightEdge(size=7, root={ROOTS[6].hex()})"


@pytest.mark.parametrize(
    ("size", "hashes", "reason"),
    [
        (0, [bytes(32)], "a tree of 0 leaves has 0 complete subtrees, not 1"),
        (3, [bytes(32)], "a tree of 3 leaves has 2 complete subtrees, not 1"),
        (4, [], "a tree of 4 leaves has 1 complete subtrees, not 0"),
        (-1, [bytes(32)], "a tree cannot have -1 leaves"),
        (1, [bytes(31)], "a hash of a subtree does not have 32 bytes"),
    ],
)
def test_hashes_that_do_not_fit_are_refused(size: int, hashes: list[bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RightEdge.restore(size, hashes)


def test_an_entry_is_no_leaf_hash() -> None:
    edge = RightEdge()
    edge.append(LEAVES[0])
    with pytest.raises(ValueError, match="a leaf hash has 32 bytes, not 5"):
        edge.append(b"entry")
    with pytest.raises(ValueError, match="a leaf hash has 32 bytes, not 5"):
        edge.extend([LEAVES[1], b"entry"])
    assert (edge.size, edge.root()) == (1, ROOTS[0])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(1, 70), st.data())
def test_an_inclusion_proof_verifies_unless_altered(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    bit = data.draw(st.integers(0, 255))
    root, proof = root_of(leaves), inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, size, root, proof)
    assert not verify_inclusion(flip(leaves[index], bit), index, size, root, proof)
    assert not verify_inclusion(leaves[index], index, size, flip(root, bit), proof)
    assert not any(verify_inclusion(leaves[index], index, size, root, one) for one in altered(proof, bit))
    others = [other for other in range(-1, size + 1) if other != index]
    assert not any(verify_inclusion(leaves[index], other, size, root, proof) for other in others)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(1, 70), st.data())
def test_a_consistency_proof_verifies_unless_altered(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    old_size = data.draw(st.integers(0, size))
    bit = data.draw(st.integers(0, 255))
    old, new, proof = root_of(leaves[:old_size]), root_of(leaves), consistency_proof(leaves, old_size)
    assert verify_consistency(old_size, old, size, new, proof)
    assert not verify_consistency(old_size, flip(old, bit), size, new, proof)
    assert not any(verify_consistency(old_size, old, size, new, one) for one in altered(proof, bit))
    if old_size:  # any tree starts with the leaves of the empty tree
        assert not verify_consistency(old_size, old, size, flip(new, bit), proof)
        others = [other for other in range(-1, size + 2) if other != old_size]
        assert not any(verify_consistency(other, old, size, new, proof) for other in others)


@pytest.mark.parametrize("size", range(1, 34))
def test_all_proofs_of_small_trees_verify(size: int) -> None:
    leaves = leaves_of(size)
    root = root_of(leaves)
    for index in range(size):
        assert verify_inclusion(leaves[index], index, size, root, inclusion_proof(leaves, index))
        old = root_of(leaves[:index])
        assert verify_consistency(index, old, size, root, consistency_proof(leaves, index))


def test_trees_of_the_same_size() -> None:
    assert verify_consistency(8, ROOTS[7], 8, ROOTS[7], ())
    assert not verify_consistency(8, ROOTS[7], 8, ROOTS[6], ())
    assert verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    assert not verify_consistency(0, ROOTS[7], 0, ROOTS[7], ())
    assert not verify_consistency(8, ROOTS[7], 7, ROOTS[6], ())


@pytest.mark.parametrize("index", [-1, 8])
def test_no_inclusion_proof_for_another_index(index: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of 8 leaves has no leaf {index}"):
        inclusion_proof(LEAVES, index)


@pytest.mark.parametrize("old_size", [-1, 9])
def test_no_consistency_proof_for_another_size(old_size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of 8 leaves has no older tree of {old_size} leaves"):
        consistency_proof(LEAVES, old_size)
