"""A transparency log: Merkle tree, signed checkpoints, and the files that other tools can verify.

The package implements the Merkle tree of https://www.rfc-editor.org/rfc/rfc6962 and the formats of
https://c2sp.org. It does no I/O.
"""

from gateway.tlog.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    read_checkpoints,
    sign_checkpoint,
)
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
    "Checkpoint",
    "NoteError",
    "RightEdge",
    "Signer",
    "Verifier",
    "consistency_proof",
    "hash_children",
    "hash_leaf",
    "inclusion_proof",
    "open_checkpoint",
    "open_note",
    "parse_checkpoint",
    "read_checkpoints",
    "root_of",
    "sign_checkpoint",
    "sign_note",
    "verify_consistency",
    "verify_inclusion",
]
