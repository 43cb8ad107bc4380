"""Bundles on disk: files, checksums, signatures, and the last good bundle."""

from gateway.bundles.files import Stamp, read_bundle, signature_path, stamp_bundle, stamp_files, sums_path
from gateway.bundles.last_good import LastGood
from gateway.bundles.shipped import shipped_bundle
from gateway.bundles.signature import PublicKey, load_public_key, sign_bundle
from gateway.bundles.sums import check_sums, write_sums

__all__ = [
    "LastGood",
    "PublicKey",
    "Stamp",
    "check_sums",
    "load_public_key",
    "read_bundle",
    "shipped_bundle",
    "sign_bundle",
    "signature_path",
    "stamp_bundle",
    "stamp_files",
    "sums_path",
    "write_sums",
]
