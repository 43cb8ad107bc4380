"""Links as the cloud signs them."""

from __future__ import annotations

SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def sign_link(link: str, time: str = "20260101T000000Z", expires_s: int = 3600) -> str:
    """Return a pre-signed link; the signature is of no key."""
    return (
        f"{link}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=YCAJEexample%2F{time[:8]}%2Fru-central1%2Fs3%2Faws4_request"
        f"&X-Amz-Date={time}&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}"
    )
