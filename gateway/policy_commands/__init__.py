"""The commands of `policy` that run a bundle, start one, or vouch for its files."""

from gateway.policy_commands.files import print_hash, sign
from gateway.policy_commands.questions import evaluate, explain
from gateway.policy_commands.records import replay
from gateway.policy_commands.starter import init
from gateway.policy_commands.suites import test

COMMANDS = (evaluate, explain, init, print_hash, replay, sign, test)
"""Each is added to the group `policy`."""

__all__ = ["COMMANDS"]
