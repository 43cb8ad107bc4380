"""An organisation's rules: loaded, type-checked, decided, tested.

Pure: a bundle is texts in and a Decider out; a decision is a value. Nothing here
reads a clock, a file or the network by itself.
"""

from gateway.policy.bundle import Bundle, load_bundle
from gateway.policy.decider import Decider
from gateway.policy.decision import Decision, Violation
from gateway.policy.suite import CaseResult, run_suites

__all__ = [
    "Bundle",
    "CaseResult",
    "Decider",
    "Decision",
    "Violation",
    "load_bundle",
    "run_suites",
]
