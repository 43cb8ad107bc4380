"""Messages about links never show a part of the link."""

from __future__ import annotations

import pytest

from gateway.object_storage import LinkError, parse_link
from tests.object_storage.strategies import SIGNATURE

GOOD = "https://storage.yandexcloud.net/golden-images/a.iso"
SECRET = "5ec4e7"


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{SECRET}@storage.yandexcloud.net/golden-images/a.iso",
        f"https://storage.yandexcloud.net:{SECRET}/golden-images/a.iso",
        f"https://{SECRET}.example.com/a.iso?X-Amz-Signature={SECRET}",
        f"https://storage.yandexcloud.net/{SECRET}_/a.iso?X-Amz-Signature={SECRET}",
        f"https://{SECRET}.storage.yandexcloud.net/{SECRET}/a.iso",
        f"{GOOD}#{SECRET}",
        f"{GOOD}?token={SECRET}",
        f"{GOOD}?{SECRET}",
        f"{GOOD}?%{SECRET}=1",
        f"{GOOD}?X-Amz-Signature={SECRET}",
        f"{GOOD}?x-amz-signature={SECRET}",
        f"{GOOD}?X-Amz-Signature={SIGNATURE[6:]}{SECRET}",
        f"{GOOD}?X-Amz-Signature={SIGNATURE[6:]}{SECRET}&X-Amz-Signature={SECRET}",
        f"{GOOD}?X-Amz-Security-Token={SECRET}&X-Amz-Security-Token={SECRET}",
        f"{GOOD}?X-Amz-Credential={SECRET}",
        f"{GOOD}?versionId={SECRET}",
    ],
)
def test_a_message_shows_nothing_of_the_link(text: str) -> None:
    with pytest.raises(LinkError) as caught:
        parse_link(text)
    assert SECRET not in str(caught.value)


def test_the_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="the link names no object"):
        parse_link("https://storage.yandexcloud.net/golden-images/")
