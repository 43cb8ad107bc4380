"""Bundles on disk: files, checksums, signatures, and the last good bundle.

The module `signature` is not imported here, because the package `cryptography` takes 9 MB of memory. A
module that needs signatures imports `signature` directly.
"""

from gateway.bundles.files import Stamp, read_bundle, signature_path, stamp_bundle, stamp_files, sums_path
from gateway.bundles.last_good import LastGood
from gateway.bundles.shipped import shipped_bundle
from gateway.bundles.sums import check_sums, write_sums

__all__ = [
    "LastGood",
    "Stamp",
    "check_sums",
    "read_bundle",
    "shipped_bundle",
    "signature_path",
    "stamp_bundle",
    "stamp_files",
    "sums_path",
    "write_sums",
]
