"""A transparency log: Merkle tree, signed checkpoints, and the files that other tools can verify.

The package implements the Merkle tree of https://www.rfc-editor.org/rfc/rfc6962 and the formats of
https://c2sp.org. It does no I/O.
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
from gateway.tlog.note import NoteError, Signer, Verifier, open_note, sign_note

__all__ = [
    "EMPTY_ROOT",
    "NoteError",
    "RightEdge",
    "Signer",
    "Verifier",
    "consistency_proof",
    "hash_children",
    "hash_leaf",
    "inclusion_proof",
    "open_note",
    "root_of",
    "sign_note",
    "verify_consistency",
    "verify_inclusion",
]
