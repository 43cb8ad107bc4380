"""The Merkle tree of a log (https://www.rfc-editor.org/rfc/rfc6962#section-2.1), its roots and its proofs.

The leaves of the tree are the hashes of the log entries. The root is a hash of all entries in their order. A
proof shows that an entry belongs to a tree, or that a tree only adds entries to an older tree.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_SIZE = 32
"""The number of bytes of a hash."""

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

_LEAF, _NODE = b"\x00", b"\x01"


def hash_leaf(data: bytes) -> bytes:
    """Return the leaf hash of a log entry."""
    return sha256(_LEAF + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node of the tree.

    Args:
        left: the hash of the left child.
        right: the hash of the right child.
    """
    return sha256(_NODE + left + right).digest()


class RightEdge:
    """An append-only tree that keeps only the hashes that later appends and the root depend on.

    The tree is a sequence of complete subtrees, one for each bit that is set in the size. Only the roots of
    these subtrees are kept. To store the tree, store `size` and `hashes`.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    def __repr__(self) -> str:
        return f"RightEdge(size={self._size}, root={self.root().hex()})"

    @classmethod
    def restore(cls, size: int, hashes: Iterable[bytes]) -> RightEdge:
        """Return a tree that was stored.

        Args:
            size: the number of leaves.
            hashes: the roots of the complete subtrees, the largest subtree first.

        Raises:
            ValueError: the size is negative, the number of hashes does not fit the size, or a hash does not
                have 32 bytes.
        """
        edge = cls()
        edge._size, edge._hashes = size, list(hashes)
        if size < 0:
            raise ValueError(f"a tree cannot have {size} leaves")
        if len(edge._hashes) != size.bit_count():
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(edge._hashes)}"
            )
        if any(len(one) != HASH_SIZE for one in edge._hashes):
            raise ValueError(f"a hash of a subtree does not have {HASH_SIZE} bytes")
        return edge

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest subtree first."""
        return tuple(self._hashes)

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf.

        Raises:
            ValueError: the leaf hash does not have 32 bytes. The tree is unchanged.
        """
        if len(leaf_hash) != HASH_SIZE:
            raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(leaf_hash)}")
        size, hashes, node = self._size, self._hashes, leaf_hash
        # hash_children is written out here. A call would cost as much time as the hash.
        while size & 1:
            node = sha256(_NODE + hashes.pop() + node).digest()
            size >>= 1
        hashes.append(node)
        self._size += 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add leaves in their order. This takes less time than to append each leaf.

        Raises:
            ValueError: a leaf hash does not have 32 bytes. The tree is unchanged.
        """
        nodes = list(leaf_hashes)
        for node in nodes:
            if len(node) != HASH_SIZE:
                raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(node)}")
        size, roots = self._size, []
        self._size += len(nodes)
        while nodes:  # the nodes of one level, from the leaves up
            if size & 1:
                nodes.insert(0, self._hashes.pop())
            if len(nodes) & 1:
                roots.append(nodes.pop())
            pairs = zip(nodes[::2], nodes[1::2], strict=True)
            nodes = [sha256(_NODE + left + right).digest() for left, right in pairs]
            size >>= 1
        self._hashes += reversed(roots)

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in self._hashes[-2::-1]:
            root = hash_children(left, root)
        return root


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree with these leaves.

    Raises:
        ValueError: a leaf hash does not have 32 bytes.
    """
    edge = RightEdge()
    edge.extend(leaf_hashes)
    return edge.root()


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the proof that a leaf belongs to a tree.

    Args:
        leaf_hashes: all leaves of the tree.
        index: the index of the leaf, from 0.

    Raises:
        ValueError: the tree has no leaf with this index.
    """
    start, end = 0, len(leaf_hashes)
    if not 0 <= index < end:
        raise ValueError(f"a tree of {end} leaves has no leaf {index}")
    proof = []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            proof.append(root_of(leaf_hashes[middle:end]))
            end = middle
        else:
            proof.append(root_of(leaf_hashes[start:middle]))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the proof that a tree starts with all leaves of an older tree.

    The proof is empty if the older tree has no leaves, or the same number of leaves.

    Args:
        leaf_hashes: all leaves of the new tree.
        old_size: the number of leaves of the older tree.

    Raises:
        ValueError: the new tree has fewer leaves than `old_size`, or `old_size` is negative.
    """
    start, end = 0, len(leaf_hashes)
    if not 0 <= old_size <= end:
        raise ValueError(f"a tree of {end} leaves has no older tree of {old_size} leaves")
    if old_size == 0:
        return ()
    proof = []
    while end != old_size:
        middle = _middle(start, end)
        if old_size <= middle:
            proof.append(root_of(leaf_hashes[middle:end]))
            end = middle
        else:
            proof.append(root_of(leaf_hashes[start:middle]))
            start = middle
    if start:  # otherwise the remaining subtree is the older tree, and the verifier has its root
        proof.append(root_of(leaf_hashes[start:end]))
    return tuple(reversed(proof))


def verify_inclusion(leaf_hash: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a proof shows that a leaf belongs to a tree.

    The steps are those of https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2.

    Args:
        leaf_hash: the leaf.
        index: the index of the leaf, from 0.
        size: the number of leaves of the tree.
        root: the root of the tree.
        proof: the proof.
    """
    if not 0 <= index < size or not _are_hashes([leaf_hash, *proof]):
        return False
    position, last, node = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = hash_children(sibling, node)
            position, last = _skip_missing_siblings(position, last)
        else:
            node = hash_children(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that a tree starts with all leaves of an older tree.

    The steps are those of https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.2.

    Args:
        old_size: the number of leaves of the older tree.
        old_root: the root of the older tree.
        new_size: the number of leaves of the new tree.
        new_root: the root of the new tree.
        proof: the proof.
    """
    if not 0 <= old_size <= new_size or not _are_hashes(proof):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (old_size > 0 or old_root == EMPTY_ROOT)
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    return _verify_growth(old_size, old_root, new_size, new_root, proof)


def _verify_growth(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    path = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
            position, last = _skip_missing_siblings(position, last)
        else:
            new = hash_children(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _skip_missing_siblings(position: int, last: int) -> tuple[int, int]:
    """Return the positions after the levels where the last node has no left sibling.

    Args:
        position: the position of a node in its level.
        last: the position of the last node in the same level.
    """
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _are_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)


def _middle(start: int, end: int) -> int:
    """Return where the left subtree ends. Its size is the largest power of two below the size of the tree."""
    return start + (1 << ((end - start - 1).bit_length() - 1))
