"""The commands that read the ledger."""

from gateway.cli.audit.export import export
from gateway.cli.audit.listing import list_calls, show
from gateway.cli.audit.settle import settle
from gateway.cli.audit.verify import verify

COMMANDS = (list_calls, show, export, verify, settle)
