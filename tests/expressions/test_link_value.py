from __future__ import annotations

from typing import Any

import pytest

from gateway.config import Config
from gateway.expressions import LINK_TYPE
from gateway.expressions.link_value import LinkValue
from gateway.object_storage import DEFAULT_HOSTS, LinkError, split_link
from gateway.schema import descriptor_of, load_schema

LINKS = [
    "https://storage.yandexcloud.net/golden-images/a/ubuntu-24.04.ISO",
    "https://golden-images.storage.yandexcloud.net/k",
    "https://storage.yandexcloud.net/b-1/k.iso?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260101"
    "%2Fru-central1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0a" * 32,
    "https://example.com/x",
    "",
]


def make(text: str) -> LinkValue:
    link_class = load_schema(Config().services).message(LINK_TYPE)
    try:
        return LinkValue(link_class, split_link(text, DEFAULT_HOSTS))
    except LinkError as error:
        return LinkValue(link_class, None, str(error))


@pytest.mark.parametrize("text", LINKS)
def test_python_code_and_the_engine_read_the_same(text: str) -> None:
    value = make(text)
    message: Any = value.to_message()
    for field in descriptor_of(type(message)).fields:
        expected = getattr(message, field.name)
        if field.name == "expires":
            has_time = message.HasField("expires")
            expected = expected.ToDatetime(value.expires.tzinfo) if has_time and value.expires else None
        assert getattr(value, field.name) == expected, field.name


def test_a_text_that_is_no_link_has_a_problem_and_nothing_else() -> None:
    value = make("https://example.com/x")
    assert "not Object Storage" in value.problem
    assert not any((value.scheme, value.host, value.bucket, value.key, value.presigned, value.expires))
