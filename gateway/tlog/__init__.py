"""A transparency log: Merkle tree, signed checkpoints, and the files that other tools can verify.

The package implements the Merkle tree of https://www.rfc-editor.org/rfc/rfc6962 and the formats of
https://c2sp.org. Only `write_tiles` does I/O.
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
from gateway.tlog.tile_files import write_tiles
from gateway.tlog.tiles import LONGEST_ENTRY, bundle_path, make_log_files, tile_path

__all__ = [
    "EMPTY_ROOT",
    "LONGEST_ENTRY",
    "Checkpoint",
    "NoteError",
    "RightEdge",
    "Signer",
    "Verifier",
    "bundle_path",
    "consistency_proof",
    "hash_children",
    "hash_leaf",
    "inclusion_proof",
    "make_log_files",
    "open_checkpoint",
    "open_note",
    "parse_checkpoint",
    "read_checkpoints",
    "root_of",
    "sign_checkpoint",
    "sign_note",
    "tile_path",
    "verify_consistency",
    "verify_inclusion",
    "write_tiles",
]
