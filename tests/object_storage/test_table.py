from __future__ import annotations

import re

import pytest

from gateway.object_storage import LinkError, parse_link
from tests.object_storage.table import ACCEPTED, FOLDER, GROUPS, REFUSED, TEXTS, Accepted, Refused


def name(number: int, text: str) -> str:
    return f"{number}-{text[:60]!a}"


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=name(number, row.text)) for number, row in enumerate(ACCEPTED)]
)
def test_reads_a_link(row: Accepted) -> None:
    link = parse_link(row.text)
    expires = link.expires.isoformat() if link.expires else None
    assert (link.style, link.bucket, link.key) == (row.style, row.bucket, row.key)
    assert (link.extension, expires, link.presigned) == (row.extension, row.expires, row.expires is not None)
    assert row.text.startswith(f"{link.scheme}://{link.host}/")
    assert "/" not in link.host


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=name(number, row.text)) for number, row in enumerate(REFUSED)]
)
def test_refuses_what_could_be_read_otherwise(row: Refused) -> None:
    with pytest.raises(LinkError) as caught:
        parse_link(row.text)
    assert row.reason in str(caught.value)


def test_the_table_is_large_and_says_nothing_twice() -> None:
    hostile = [group for group in GROUPS if group.is_hostile]
    assert sum(len(group.accepted) + len(group.refused) for group in hostile) >= 700
    assert len(TEXTS) == len(set(TEXTS))
    assert len({group.name for group in GROUPS}) == len(GROUPS)


def test_no_row_of_the_table_is_lost() -> None:
    """YAML would keep only the last of two equal keys."""
    written = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml"))
    assert len(re.findall(r"^      - ['\"]", written, re.MULTILINE)) == len(REFUSED)
    assert len(re.findall(r"^    - \[", written, re.MULTILINE)) == len(ACCEPTED)
