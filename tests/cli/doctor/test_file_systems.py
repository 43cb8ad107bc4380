"""The type of the file system that holds a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.doctor.file_systems import find_file_system

MOUNTS = r"""1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:40 / /data rw,relatime shared:5 - nfs4 server:/x rw
3 2 8:2 / /data/local rw - xfs /dev/sdb rw
4 1 0:41 / /with\040space rw - tmpfs none rw
5 1 0:42 / /hidden rw - ext4 /dev/sdc rw
6 5 0:43 / /hidden rw - cifs //server/x rw
a line that is not understood
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/srv/ledger.db", "ext4"),
        ("/data/ledger.db", "nfs4"),
        ("/data/local/ledger.db", "xfs"),
        ("/database/ledger.db", "ext4"),
        ("/with space/ledger.db", "tmpfs"),
        ("/hidden/ledger.db", "cifs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(tmp_path: Path, path: str, expected: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert find_file_system(Path(path), mounts) == expected


def test_without_a_list_the_type_is_not_known(tmp_path: Path) -> None:
    assert find_file_system(tmp_path, tmp_path / "none") == ""


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="this system does not list its mounts")
def test_the_mounts_of_this_system() -> None:
    assert find_file_system(Path("/proc/self"), Path("/proc/self/mountinfo")) == "proc"
