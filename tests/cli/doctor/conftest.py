"""Servers that tests of the checks share with other tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.conftest import own_postgres, postgres
from tests.limits.conftest import redis_server
from tests.upstream.credentials.conftest import emulator, token_server

__all__ = ["emulator", "own_postgres", "postgres", "redis_server", "token_server"]  # fixtures


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can read. Only root can read the temporary folders of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-doctor-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Let the test have the rights of a user that owns nothing. Root could write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)
