"""Files are taken when they have settled: the same in every look, and not written between two of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.faults import Fault, FaultsError, Position
from gateway.serving.settling import PATIENCE, READS, Read, Settling, Stamps

SETTLE_S = 0.001
GONE = Fault(Position("a.yaml"), "", "gone")
ONE, OTHER = (frozenset({("folder/a.yaml", inode, 1, 1)}) for inode in (1, 2))


class Files:
    """Files whose contents follow a script, look by look; the last line of it stays."""

    def __init__(self, *texts: str | None, stamps: Iterator[Stamps] | None = None) -> None:
        self._texts = list(texts)
        self._stamps = stamps
        self.reads = 0

    def read(self) -> str:
        text = self._texts[min(self.reads, len(self._texts) - 1)]
        self.reads += 1
        if text is None:
            raise FaultsError([GONE])
        return text

    def stamp(self) -> Stamps:
        return ONE if self._stamps is None else next(self._stamps)


def settling(files: Files) -> Settling[str]:
    return Settling(files, SETTLE_S)


async def test_files_that_stay_are_taken_after_several_looks() -> None:
    files = Files("a")
    assert await settling(files).settle() == Read("a")
    assert files.reads == 1 + READS


@pytest.mark.parametrize(
    "texts",
    [
        ["b", "a"],
        ["", "a"],
        [None, "a"],
        ["a", None, "a"],
        [*"b" * READS, "a"],
        ["b", "b", "a", "a", "b", "b", "a"],
        [*"ab" * 10, "a"],
        ["a"] * READS + ["b"] + ["a"] * READS + [None] + ["a"],
    ],
)
async def test_any_look_that_differs_starts_the_time_again(texts: list[str | None]) -> None:
    files = Files(*texts)
    assert await settling(files).settle() == Read("a")
    last = max(index for index, text in enumerate(texts) if text != "a")
    assert files.reads == last + 2 + READS


async def test_a_file_has_to_stay_gone() -> None:
    files = Files(*["a"] * 3, None)
    assert await settling(files).settle() == Read(faults=(GONE,))
    assert files.reads == 3 + 1 + READS


async def test_a_file_that_is_written_between_looks_has_not_settled() -> None:
    """Each look finds the same contents, as when another text comes and goes between looks."""
    stamps = iter([ONE, OTHER] * READS + [OTHER] * (READS + 1))
    files = Files("a", stamps=stamps)
    assert await settling(files).settle() == Read("a")
    assert files.reads == 2 * READS + READS


async def test_files_that_never_settle_are_given_up() -> None:
    def flap() -> Iterator[Stamps]:
        while True:
            yield from (ONE, OTHER)

    files = Files("a", stamps=flap())
    with pytest.raises(FaultsError) as caught:
        await settling(files).settle()
    assert str(caught.value).startswith("bundle: policies.settle_s: a.yaml kept changing: nothing may change")
    assert "rename it when it is whole" in str(caught.value)
    assert files.reads == 1 + PATIENCE * READS


def test_looks_are_equal_by_what_would_be_made_of_them() -> None:
    assert Read("a", stamps=ONE) == Read("a", stamps=OTHER)
    assert not Read("a", stamps=ONE).is_same(Read("a", stamps=OTHER))
    assert not Read("a", stamps=ONE).is_same(Read("b", stamps=ONE))
