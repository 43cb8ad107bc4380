"""Databases of both kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.ledger import writer as writer_module
from tests.ledger.making import Database
from tests.ledger.writing import Writing, begin
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that tests share. A test that stops a server starts one of its own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = await server.create_database()
    async with AsyncExitStack() as stack:
        yield Database(request.param, url, stack)


@pytest.fixture
async def postgres_database(postgres: PostgresServer) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        yield Database("postgresql", await postgres.create_database(), stack)


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        yield Database("sqlite", f"sqlite:///{tmp_path / 'ledger.db'}", stack)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not wait long after a failure, or at its stop."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    monkeypatch.setattr(writer_module, "CLOSE_S", 0.2)


@pytest.fixture
async def stack(soon: None) -> AsyncIterator[AsyncExitStack]:  # noqa: ARG001 - it changes constants
    """Close the writers of a test at its end."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def writing(stack: AsyncExitStack) -> Writing:
    """A writer with a store whose commits the test holds."""
    return await begin(stack)
