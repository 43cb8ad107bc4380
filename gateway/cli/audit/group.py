"""The command group `audit`.

Exit codes: 0 success, 1 a check found problems, 2 wrong usage or configuration.
"""

from __future__ import annotations

import click

from gateway.cli.audit import COMMANDS
from gateway.cli.command_line import Commands


@click.group(cls=Commands)
def audit() -> None:
    """List, show, export, verify and settle the calls in the ledger."""


for command in COMMANDS:
    audit.add_command(command)
