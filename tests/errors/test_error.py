"""Errors of a call, and what they are on the wire."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

from gateway.errors import (
    DOMAIN,
    Code,
    EnoughViolationsError,
    FieldName,
    FieldViolation,
    GatewayError,
    UpstreamError,
    Violations,
    field_text,
    invalid_request,
    summarize,
    to_status,
)


def _violations(count: int) -> list[FieldViolation]:
    return [FieldViolation(field=f"f{index}", description=f"d{index}", reason="R") for index in range(count)]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "bad"),
        (1, "bad: f0: d0"),
        (2, "bad: f0: d0; f1: d1"),
        (3, "bad: f0: d0; f1: d1; f2: d2"),
        (5, "bad: f0: d0; f1: d1; f2: d2; and 2 more"),
    ],
)
def test_a_message_tells_the_first_violations(count: int, text: str) -> None:
    assert summarize("bad", _violations(count)) == text


def test_a_violation_of_the_whole_request_has_no_field() -> None:
    assert summarize("bad", [FieldViolation(field="", description="d", reason="R")]) == "bad: d"


def test_an_invalid_request_has_every_violation_among_its_details() -> None:
    error = invalid_request("bad", _violations(5))
    assert (error.code, error.reason, len(error.violations)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST", 5)
    status = to_status(error, "request-7")
    assert (status.code, status.message) == (3, error.message)
    info, bad_request, request_info = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RequestInfo(),
    )
    for detail, message in zip(status.details, (info, bad_request, request_info), strict=True):
        assert detail.Unpack(message)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", DOMAIN)
    assert [(one.field, one.description, one.reason) for one in bad_request.field_violations] == [
        (f"f{index}", f"d{index}", "R") for index in range(5)
    ]
    assert request_info.request_id == "request-7"


def test_without_violations_there_is_no_bad_request() -> None:
    error = GatewayError(Code.UNAVAILABLE, "DRAINING", "stopping", metadata={"a": "b"})
    details = to_status(error, "x").details
    assert [detail.TypeName() for detail in details] == ["google.rpc.ErrorInfo", "google.rpc.RequestInfo"]
    info = error_details_pb2.ErrorInfo()
    details[0].Unpack(info)
    assert dict(info.metadata) == {"a": "b"}


def test_an_upstream_s_details_are_passed_on_as_they_are() -> None:
    unknown = AnyMessage(type_url="a/no.Such", value=b"\xff")
    status = to_status(UpstreamError(Code.NOT_FOUND, "no image", [unknown]), "ours")
    assert (status.code, status.message) == (5, "no image")
    assert status.details[0] == unknown
    assert status.details[1].TypeName() == "google.rpc.RequestInfo"


def test_an_error_means_no_effect_unless_it_says_so() -> None:
    assert not GatewayError(Code.UNAVAILABLE, "R", "m").may_have_acted
    assert not UpstreamError(Code.UNAVAILABLE, "m").may_have_acted
    assert GatewayError(Code.UNAVAILABLE, "R", "m", may_have_acted=True).may_have_acted
    assert UpstreamError(Code.UNAVAILABLE, "m", may_have_acted=True).may_have_acted


def test_an_upstream_s_request_id_is_kept() -> None:
    theirs = AnyMessage()
    theirs.Pack(error_details_pb2.RequestInfo(request_id="theirs"))
    assert list(to_status(UpstreamError(Code.INTERNAL, "", [theirs]), "ours").details) == [theirs]


def test_violations_beyond_number_are_counted() -> None:
    many = [FieldViolation(field=f"f{number}", description="bad", reason="R") for number in range(1000)]
    error = invalid_request("no", many)
    assert len(error.violations) == 257
    assert error.violations[-1].description == "there are more violations; the first 256 are listed"
    assert error.message.endswith("f2: bad; and more than 253 others")
    assert GatewayError(error.code, "R", "no", violations=error.violations).violations == error.violations
    assert invalid_request("no", many[:256]).violations == tuple(many[:256])


def test_a_search_for_violations_ends_when_an_error_names_no_more() -> None:
    found = Violations()
    for number in range(256):
        found.add(f"f{number}", "bad", "R")
    with pytest.raises(EnoughViolationsError):
        found.add("one more", "bad", "R")
    assert invalid_request("no", found.found).violations[-1].reason == "MORE"


def test_a_path_is_of_a_length_that_a_person_reads() -> None:
    error = invalid_request("no", [FieldViolation(field="a." * 10_000, description="bad", reason="R")])
    assert len(to_status(error, "x").SerializeToString()) < 2000


def test_fields_are_renamed_in_every_text_and_nowhere_else() -> None:
    described = field_text("set one of: ", FieldName("a_b"), ", ", FieldName("c_d"), '; "a_b" is a value')
    violation = FieldViolation(field="a_b", description=described, reason="a_b/c_d")
    error = invalid_request("a_b", [violation])
    error.warnings = (field_text("p/r: ", described), "a_b")
    error.rename_fields(str.upper)
    text = 'set one of: A_B, C_D; "a_b" is a value'
    assert error.violations == (FieldViolation(field="A_B", description=text, reason="a_b/c_d"),)
    assert error.message == f"a_b: A_B: {text}"
    assert error.warnings == (f"p/r: {text}", "a_b")


def test_a_copy_is_changed_alone() -> None:
    for error in (
        GatewayError(Code.INTERNAL, "R", "text", violations=_violations(1), metadata={"k": "v"}),
        UpstreamError(Code.NOT_FOUND, "no such thing", may_have_acted=True),
    ):
        same = error.copy()
        assert type(same) is type(error)
        assert (str(same), same.may_have_acted) == (str(error), error.may_have_acted)
        assert to_status(same, "r") == to_status(error, "r")
        same.warnings += ("w",)
        same.rename_fields(str.upper)
        assert error.warnings == ()
        assert [one.field for one in error.violations] == ["f0"][: len(error.violations)]


def test_a_time_to_try_again_is_a_detail() -> None:
    error = GatewayError(Code.RESOURCE_EXHAUSTED, "R", "m", retry_after_s=1.25)
    info, retry = error.details()
    assert info.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    found = error_details_pb2.RetryInfo()
    assert retry.Unpack(found)
    assert (found.retry_delay.seconds, found.retry_delay.nanos) == (1, 250_000_000)
    assert len(GatewayError(Code.RESOURCE_EXHAUSTED, "R", "m").details()) == 1
    assert error.copy().retry_after_s == 1.25
