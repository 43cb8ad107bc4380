"""A network between a gateway and its database that can be cut."""

from __future__ import annotations

import asyncio

from tests.substitutes.breaking_proxy import BreakingProxy


class CutNetwork(BreakingProxy):
    """Forwards bytes of any protocol. A cut is `hang()`: connections stay open, and nothing arrives."""

    async def _forward_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._forward_requests(reader, writer)
