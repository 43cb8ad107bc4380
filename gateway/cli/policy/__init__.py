"""The commands of the group `policy`. Related commands share a module."""

from gateway.cli.policy.files import print_hash, sign
from gateway.cli.policy.records import replay
from gateway.cli.policy.requests import evaluate, explain
from gateway.cli.policy.starter import init
from gateway.cli.policy.suites import test

COMMANDS = (evaluate, explain, init, print_hash, replay, sign, test)
"""The commands in the modules of this package. The module `group` adds them to the group `policy`."""

__all__ = ["COMMANDS"]
