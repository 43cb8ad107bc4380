"""The commands of `policy` that run a bundle, or start one: test, explain, eval, replay, init."""

from gateway.policy_commands.questions import evaluate, explain
from gateway.policy_commands.records import replay
from gateway.policy_commands.starter import init
from gateway.policy_commands.suites import test

COMMANDS = (evaluate, explain, init, replay, test)
"""Each is added to the group `policy`."""

__all__ = ["COMMANDS"]
