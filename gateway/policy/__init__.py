"""Loads and type-checks an organisation's rules, and uses these rules to decide on requests.

A bundle is loaded from texts that are already in memory. The package reads no file and uses
no network.
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
