"""Strategies for random texts: links, near-links, and texts that are certainly not links."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from gateway.object_storage import Hosts
from tests.object_storage.table import TEXTS

HOSTS = Hosts(storage=(*Hosts().storage, "storage.yandexcloud.kz", "storage.pe.yandexcloud.net"))
SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

# No link has one of these anywhere.
FORBIDDEN: list[str] = [
    *' \t\n\r\0\x0b\x1f\x7f\x85\\#+;"<>[]^`{|}',
    *"оıſ\u212a\u00ad\u200b\u200d\u202e\u3002\uff0e\uff0f\ufeff\ud800",
]
# Parts of links, and text that has a meaning to some parser.
ODD: list[str] = [
    *"/.:@?&=%-_Aa0~!$'(*,",
    *["//", "/./", "/../", "..", ":443", "user@", "??", "--", "xn--", "https://", "iso", ".iso"],
    *["%2e", "%2F", "%5c", "%00", "%252e", "%25", "%C0%AE", "%D0%BE", "%20", "%3B"],
    *["storage.yandexcloud.net", ".storage.yandexcloud.net", "golden-images"],
    *["&x=1", "&X-Amz-Expires=1", "&versionId=1", "&x-id=GetObject"],
]
CHANGES = ["insert", "insert", "replace", "turn case", "encode", "cut"]


class GeneratedLink(NamedTuple):
    """A link and its parts; the key is percent-encoded."""

    text: str
    style: str
    bucket: str
    encoded_key: str
    expires: datetime | None


def buckets(*, dots: bool) -> st.SearchStrategy[str]:
    label = "[a-z0-9][a-z0-9][a-z0-9-]{0,8}[a-z0-9]"
    form = rf"{label}(\.{label}){{0,2}}" if dots else label
    return st.from_regex(form, fullmatch=True).filter(lambda name: "--" not in name[:4])


def encoded_keys() -> st.SearchStrategy[str]:
    plain = st.text("abcXYZ019-_~!$&'()*,=:@", min_size=1, max_size=6)
    escaped = st.sampled_from(
        ["%20", "%d0%be", "%D0%BE", "%2B", "%3b", "%25", "%40", "%41", "%7E", "%5B", "%C3%A9"]
    )
    dotted = st.sampled_from(["a.iso", "...", ".a", "a.", "A.ISO", "24.04.iso"])
    segment = st.lists(st.one_of(plain, escaped, dotted), min_size=1, max_size=4).map("-".join)
    return st.lists(segment, min_size=1, max_size=4).flatmap(
        lambda segments: st.sampled_from(["/", "//", "///"]).map(lambda slash: slash.join(segments))
    )


def signatures() -> st.SearchStrategy[tuple[str, datetime]]:
    """Queries of pre-signed links, with the time at which each expires."""
    return st.builds(
        sign,
        st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - sign makes them aware
        st.integers(1, 2_592_000),
        st.sampled_from(["/", "%2F", "%2f"]),
        st.randoms(use_true_random=False).map(lambda source: source.random()),
        st.sampled_from(
            [(), ("x-id=GetObject",), ("response-content-type=a%2Fb", "X-Amz-Security-Token=a%2Bb%3D")]
        ),
    )


def sign(
    signed_at: datetime, expires_s: int, slash: str, turn: float, more: tuple[str, ...]
) -> tuple[str, datetime]:
    signed_at = signed_at.replace(microsecond=0, tzinfo=UTC)
    day = f"{signed_at:%Y%m%d}"
    parts = [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        f"X-Amz-Credential={slash.join(['YCAJE_x-1', day, 'ru-central1', 's3', 'aws4_request'])}",
        f"X-Amz-Date={day}T{signed_at:%H%M%S}Z",
        f"X-Amz-Expires={expires_s}",
        "X-Amz-SignedHeaders=host",
        f"X-Amz-Signature={SIGNATURE}",
        *more,
    ]
    at = int(turn * len(parts))
    return "&".join(parts[at:] + parts[:at]), signed_at + timedelta(seconds=expires_s)


@st.composite
def links(draw: st.DrawFn) -> GeneratedLink:
    """Valid links."""
    scheme = draw(st.sampled_from(["https", "http"]))
    host = draw(st.sampled_from([*HOSTS.storage, *HOSTS.website]))
    in_host = draw(st.booleans())
    bucket = draw(buckets(dots=not in_host or scheme == "http"))
    key = draw(encoded_keys())
    is_site = host in HOSTS.website
    signature = None if is_site else draw(st.none() | signatures())
    where = f"{bucket}.{host}/" if in_host else f"{host}/{bucket}/"
    return GeneratedLink(
        text=f"{scheme}://{where}{key}{'?' + signature[0] if signature else ''}",
        style="website" if is_site else "virtual-hosted" if in_host else "path",
        bucket=bucket,
        encoded_key=key,
        expires=signature[1] if signature else None,
    )


def texts_of_links() -> st.SearchStrategy[str]:
    return links().map(lambda link: link.text)


@st.composite
def places(draw: st.DrawFn, text: str) -> int:
    """Positions in a text, most of them between two parts."""
    ends = [match.start() for match in re.finditer(r"[:/?&=.]|(?<=[:/?&=.])|\Z", text)]
    before_query = len(text.partition("?")[0])
    return draw(st.one_of(st.sampled_from(ends), st.integers(0, before_query), st.integers(0, len(text))))


@st.composite
def broken_links(draw: st.DrawFn) -> str:
    """Links with one character that no link has."""
    text = draw(texts_of_links())
    at = draw(places(text))
    piece: str = draw(st.sampled_from(FORBIDDEN))
    return text[:at] + piece + text[at:]


@st.composite
def near_links(draw: st.DrawFn) -> str:
    """Links and texts of the table with small changes."""
    text: str = draw(st.one_of(*[texts_of_links()] * 3, st.sampled_from(TEXTS)))
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        at = draw(places(text))
        end = at + draw(st.integers(0, 3))
        piece = draw(st.one_of(st.sampled_from(ODD), st.sampled_from(ODD), st.sampled_from(FORBIDDEN)))
        text = text[:at] + change(text[at:end], draw(st.sampled_from(CHANGES)), piece) + text[end:]
    return text


def change(old: str, how: str, piece: str) -> str:
    match how:
        case "insert":
            return piece + old
        case "replace":
            return piece
        case "turn case":
            return old.swapcase()
        case "encode":
            return "".join(f"%{byte:02x}" for byte in old.encode(errors="replace"))
        case _:
            return ""
