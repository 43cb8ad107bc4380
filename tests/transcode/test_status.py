"""The table of codes, from both ends."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2

from gateway.errors import Code
from gateway.transcode.status import HTTP_STATUS, http_status

# As the cloud answers: docs of its REST API, and google/rpc/code.proto.
TABLE = {
    "OK": (0, 200),
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


@pytest.mark.parametrize(("name", "number", "status"), [(name, *pair) for name, pair in TABLE.items()])
def test_code(name: str, number: int, status: int) -> None:
    assert Code[name] == number == code_pb2.Code.Value(name)
    assert http_status(Code(number)) == status


def test_every_code_is_in_the_table() -> None:
    assert [code.name for code in HTTP_STATUS] == [code.name for code in Code] == list(TABLE)
