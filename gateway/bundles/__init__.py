"""Bundles on disk: read, trusted by their signature, kept for the next start."""

from gateway.bundles.files import SIGNATURE_NAME, read_bundle, signature_path
from gateway.bundles.last_good import LastGood
from gateway.bundles.shipped import shipped_bundle
from gateway.bundles.signature import PublicKey, load_public_key, sign_bundle

__all__ = [
    "SIGNATURE_NAME",
    "LastGood",
    "PublicKey",
    "load_public_key",
    "read_bundle",
    "shipped_bundle",
    "sign_bundle",
    "signature_path",
]
