"""The ledger: an append-only log of what was asked, decided, sent and done, in SQLite or PostgreSQL.

A change is forwarded only after its intent is committed. So after a crash, each change that may have been
made is found and settled.
"""

from gateway.ledger.call_record import CallRecord
from gateway.ledger.intent import Intent
from gateway.ledger.ledger import Ledger

__all__ = ["CallRecord", "Intent", "Ledger"]
