"""Checkpoints (https://c2sp.org/tlog-checkpoint): signed notes with the size and the root of a log.

Checkpoints can be appended to a file. The file then has one empty line between two checkpoints.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.tlog.merkle import HASH_SIZE
from gateway.tlog.note import NoteError, decode_base64, open_note, sign_note

if TYPE_CHECKING:
    from gateway.tlog.note import Signer, Verifier

_LARGEST_SIZE = 2**63 - 1
_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_LINE = re.compile(r"[^\x00-\x1f]+")
_FEWEST_LINES = 3
_BETWEEN_BLOCKS = "\n\n"
_SIGNATURE_PREFIX = "\u2014 "  # an em dash


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The size and the root of a log at one time.

    Attributes:
        origin: the name of the log. It should be the name of the key that signs.
        size: the number of entries of the log.
        root: the root of the Merkle tree of these entries.
        extensions: further lines, which have no defined meaning.

    Raises:
        ValueError: on construction, if the origin or an extension is empty or has a control character, the
            size is negative or more than 63 bits, or the root does not have 32 bytes.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _LINE.fullmatch(self.origin):
            raise ValueError("the origin is empty or has a control character")
        if not 0 <= self.size <= _LARGEST_SIZE:
            raise ValueError(f"the size {self.size} is not between 0 and {_LARGEST_SIZE}")
        if len(self.root) != HASH_SIZE:
            raise ValueError(f"the root has {len(self.root)} bytes, not {HASH_SIZE}")
        if not all(_LINE.fullmatch(line) for line in self.extensions):
            raise ValueError("an extension line is empty or has a control character")

    def to_text(self) -> str:
        """Return the text of the note: one line each for origin, size and root, and the extension lines."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint, which is the text of a note without its signatures.

    Raises:
        NoteError: the text is not the text of a checkpoint.
    """
    if not text.endswith("\n"):
        raise NoteError("the checkpoint is malformed: its last line does not end in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < _FEWEST_LINES:
        raise NoteError("the checkpoint is malformed: it does not have an origin, a size and a root")
    origin, size, encoded, *extensions = lines
    root = decode_base64(encoded)
    if not _SIZE.fullmatch(size):
        raise NoteError("the checkpoint is malformed: its size is not a plain decimal number")
    if root is None:
        raise NoteError("the checkpoint is malformed: its root is not base64")
    try:
        return Checkpoint(origin=origin, size=int(size), root=root, extensions=tuple(extensions))
    except ValueError as error:
        raise NoteError(f"the checkpoint is malformed: {error}") from error


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the checkpoint as a signed note.

    Raises:
        NoteError: the origin or an extension line is not valid UTF-8.
    """
    return sign_note(checkpoint.to_text(), signer)


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Verify the signature of a checkpoint, and return the checkpoint.

    The origin is not compared with the name of the key. A caller that expects a log compares the origin.

    Raises:
        NoteError: the note is malformed, is not signed by the key of the verifier, or is not a checkpoint.
    """
    return parse_checkpoint(open_note(note, verifier))


def read_checkpoints(text: str) -> list[str]:
    """Split the content of a file to which signed checkpoints were appended, and return the signed notes.

    The file has one empty line between two notes. No part of the file is lost: a text that is not a complete
    note is returned as an element of its own, or as two, and `open_note` refuses such an element. The last
    element is such a text if the file ends in the middle of a note. It is empty if the file ends in an empty
    line, because another note should follow. An incomplete note does not affect the other notes, if an empty
    line follows it.

    Args:
        text: the content of the file. Decode the file with `errors="replace"`, because a note can end in the
            middle of a character. Do not translate newlines.
    """
    if not text:
        return []
    notes: list[str] = []
    body: list[str] = []  # the block before, if its signatures were not read yet
    *blocks, last = text.split(_BETWEEN_BLOCKS)
    for block in (*(f"{block}\n" for block in blocks), last):
        if block.startswith(_SIGNATURE_PREFIX):
            notes.append("\n".join([*body, block]))
            body = []
        else:
            notes += body
            body = [block]
    return notes + body
