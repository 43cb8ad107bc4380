"""The commands of the group `policy`, each group of them in a module of its own."""

from gateway.cli.policy.files import print_hash, sign
from gateway.cli.policy.records import replay
from gateway.cli.policy.requests import evaluate, explain
from gateway.cli.policy.starter import init
from gateway.cli.policy.suites import test

COMMANDS = (evaluate, explain, init, print_hash, replay, sign, test)
"""All of them; they are added to the group `policy`."""

__all__ = ["COMMANDS"]
