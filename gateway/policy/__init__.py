"""An organisation's rules: loaded, type-checked, decided.

Pure: a bundle is texts in and a Decider out; a decision is a value. Nothing here
reads a clock, a file or the network by itself.
"""

from gateway.policy.bundle import Bundle, load_bundle
from gateway.policy.bundle_files import SUMS_NAME, BundleFiles
from gateway.policy.decider import Decider
from gateway.policy.decision import Decision, MutatedRequest, Mutation, Violation
from gateway.policy.enforcement import Enforcement, Removal, describe_enforcement, find_removals
from gateway.policy.program import PolicyInput
from gateway.policy.requests import read_policy_input

__all__ = [
    "SUMS_NAME",
    "Bundle",
    "BundleFiles",
    "Decider",
    "Decision",
    "Enforcement",
    "MutatedRequest",
    "Mutation",
    "PolicyInput",
    "Removal",
    "Violation",
    "describe_enforcement",
    "find_removals",
    "load_bundle",
    "read_policy_input",
]
