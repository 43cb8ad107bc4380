"""A transparency log: Merkle tree, signed checkpoints, and the files that other tools can verify.

The package implements the Merkle tree of https://www.rfc-editor.org/rfc/rfc6962.
"""

from gateway.tlog.merkle import (
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

__all__ = [
    "EMPTY_ROOT",
    "RightEdge",
    "consistency_proof",
    "hash_children",
    "hash_leaf",
    "inclusion_proof",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]
