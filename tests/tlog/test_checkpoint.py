from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    NoteError,
    open_checkpoint,
    parse_checkpoint,
    read_checkpoints,
    sign_checkpoint,
    sign_note,
)
from tests.tlog.keys import NAME, make_signer

SIGNER = make_signer()
ROOT_TEXT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
# The example of https://c2sp.org/tlog-checkpoint.
TEXT = f"example.com/behind-the-sofa\n20852163\n{ROOT_TEXT}\n"
EXAMPLE = Checkpoint(origin="example.com/behind-the-sofa", size=20852163, root=base64.b64decode(ROOT_TEXT))
LINES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[chr(one) for one in range(32)]),
    min_size=1,
    max_size=20,
)
CHECKPOINTS = st.builds(
    Checkpoint,
    origin=LINES,
    size=st.integers(0, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(LINES, max_size=3).map(tuple),
)


def numbered(count: int) -> list[str]:
    """Return the signed checkpoints of a log that grows."""
    root = bytes(32)
    return [sign_checkpoint(Checkpoint(origin=NAME, size=n, root=root), SIGNER) for n in range(count)]


def opened(notes: list[str]) -> list[int | None]:
    """Return the sizes of checkpoints; None for a malformed one."""
    return [size_of(note) for note in notes]


def size_of(note: str) -> int | None:
    try:
        return open_checkpoint(note, SIGNER.verifier).size
    except NoteError as error:
        if "malformed" in str(error):
            return None
        raise


def test_the_example_of_the_specification() -> None:
    assert EXAMPLE.to_text() == TEXT
    assert parse_checkpoint(TEXT) == EXAMPLE


def test_an_empty_log_has_a_checkpoint() -> None:
    checkpoint = Checkpoint(origin=NAME, size=0, root=EMPTY_ROOT)
    assert checkpoint.to_text() == f"{NAME}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert open_checkpoint(sign_checkpoint(checkpoint, SIGNER), SIGNER.verifier) == checkpoint


@settings(derandomize=True, deadline=None, max_examples=200)
@given(CHECKPOINTS)
def test_a_signed_checkpoint_is_read_back(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint.to_text()) == checkpoint
    assert open_checkpoint(sign_checkpoint(checkpoint, SIGNER), SIGNER.verifier) == checkpoint


MALFORMED = {
    "empty": ("", "does not end in a newline"),
    "no newline at the end": (TEXT[:-1], "does not end in a newline"),
    "two lines": ("a\n1\n", "does not have an origin, a size and a root"),
    "no origin": (f"\n1\n{ROOT_TEXT}\n", "the origin is empty"),
    "a control character": (f"a\tb\n1\n{ROOT_TEXT}\n", "the origin is empty or has a control character"),
    "a leading zero": (f"a\n01\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "two zeros": (f"a\n00\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "a sign": (f"a\n+1\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "negative": (f"a\n-1\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "a space": (f"a\n1 \n{ROOT_TEXT}\n", "not a plain decimal number"),
    "underscores": (f"a\n1_0\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "other digits": (f"a\n\u0661\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "64 bits": (f"a\n{2**63}\n{ROOT_TEXT}\n", "the size 9223372036854775808 is not between"),
    "thousands of digits": (f"a\n{'9' * 9000}\n{ROOT_TEXT}\n", "not a plain decimal number"),
    "a root that is not base64": ("a\n1\n*\n", "its root is not base64"),
    "another base64 text": (f"a\n1\n{ROOT_TEXT.replace('2I=', '2J=')}\n", "its root is not base64"),
    "a short root": ("a\n1\nYQ==\n", "the root has 1 bytes, not 32"),
    "no root": ("a\n1\n\n", "the root has 0 bytes, not 32"),
    "an empty extension": (f"{TEXT}\n", "an extension line is empty"),
    "an empty extension between": (f"{TEXT}a\n\nb\n", "an extension line is empty"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_checkpoint_is_refused(name: str) -> None:
    text, reason = MALFORMED[name]
    with pytest.raises(NoteError, match="the checkpoint is malformed: ") as caught:
        parse_checkpoint(text)
    assert reason in str(caught.value)


def test_a_note_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(NoteError, match="the checkpoint is malformed"):
        open_checkpoint(sign_note("a text\n", SIGNER), SIGNER.verifier)
    with pytest.raises(NoteError, match="has no signature by the key"):
        open_checkpoint(sign_checkpoint(EXAMPLE, make_signer(seed="other")), SIGNER.verifier)


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions", "reason"),
    [
        ("", 0, EMPTY_ROOT, (), "the origin is empty"),
        ("a\nb", 0, EMPTY_ROOT, (), "the origin is empty or has a control character"),
        ("a", -1, EMPTY_ROOT, (), "the size -1 is not between 0 and"),
        ("a", 2**63, EMPTY_ROOT, (), "the size 9223372036854775808 is not between 0 and"),
        ("a", 0, b"", (), "the root has 0 bytes, not 32"),
        ("a", 0, EMPTY_ROOT, ("",), "an extension line is empty"),
        ("a", 0, EMPTY_ROOT, ("b", "c\n"), "an extension line is empty or has a control character"),
    ],
)
def test_a_checkpoint_is_checked_on_construction(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Checkpoint(origin=origin, size=size, root=root, extensions=extensions)


@pytest.mark.parametrize("count", range(4))
def test_appended_checkpoints_are_split(count: int) -> None:
    notes = numbered(count)
    assert read_checkpoints("\n".join(notes)) == notes
    assert opened(notes) == list(range(count))


def test_every_signature_of_a_checkpoint_is_kept() -> None:
    notes = [f"{note}\u2014 other.example AAAAAAA=\n\u2014 third.example AAAAAAA=\n" for note in numbered(3)]
    assert read_checkpoints("\n".join(notes)) == notes
    assert opened(notes) == [0, 1, 2]


def test_extension_lines_may_look_like_signatures() -> None:
    checkpoint = Checkpoint(origin=NAME, size=7, root=bytes(32), extensions=("\u2014 a b",))
    notes = [*numbered(2), sign_checkpoint(checkpoint, SIGNER)]
    assert opened(read_checkpoints("\n".join([*notes, *notes]))) == [0, 1, 7, 0, 1, 7]


def test_a_cut_last_checkpoint_is_reported() -> None:
    notes = numbered(3)
    text = "\n".join(notes)
    before = len("\n".join(notes[:2]))
    for end in range(before + 1, len(text)):
        found = opened(read_checkpoints(text[:end]))
        assert found in ([0, 1, None], [0, 1, None, None])
    assert opened(read_checkpoints(text[:before])) == [0, 1]


def test_a_checkpoint_that_is_cut_within_a_character_is_reported() -> None:
    data = "\n".join(numbered(2)).encode()
    cut = data[: data.rindex("\u2014".encode()) + 1]
    assert opened(read_checkpoints(cut.decode(errors="replace"))) == [0, None, None]


@pytest.mark.parametrize("end", [1, 10, 60, 75, 78, 79, 90, -1])
def test_a_cut_checkpoint_does_not_hide_later_ones(end: int) -> None:
    first, second, third = numbered(3)
    text = f"{first}\n{second[:end]}\n\n{third}"
    found = opened(read_checkpoints(text))
    assert (found[0], found[-1]) == (0, 2)
    assert set(found[1:-1]) == {None} or (end == -1 and found == [0, 1, 2])


def test_other_text_between_checkpoints_is_reported() -> None:
    first, second = numbered(2)
    assert read_checkpoints(f"{first}\na line\n\n{second}") == [first, "a line\n", second]
    assert read_checkpoints(f"\n{first}") == [f"\n{first}"]
    assert read_checkpoints(f"{first}a line\n\n{second}") == [f"{first}a line\n", second]
    assert read_checkpoints(f"{first.replace(NAME, '', 1)}") == [first.replace(NAME, "", 1)]
    line = first.split("\n\n")[1]
    assert read_checkpoints(f"{first}\n{line}\n{second}") == [first, line, second]


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(["\n", "\n\n", "a", "\u2014 ", "\u2014", "b\n"]), max_size=12).map("".join))
def test_no_part_of_a_file_is_lost(text: str) -> None:
    assert "\n".join(read_checkpoints(text)) == text
