"""The commands of `policy` that run a bundle, start one, or vouch for its files."""

from gateway.cli.policy.files import print_hash, sign
from gateway.cli.policy.records import replay
from gateway.cli.policy.requests import evaluate, explain
from gateway.cli.policy.starter import init
from gateway.cli.policy.suites import test

COMMANDS = (evaluate, explain, init, print_hash, replay, sign, test)
"""Each is added to the group `policy`."""

__all__ = ["COMMANDS"]
