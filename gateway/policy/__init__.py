"""An organisation's rules: loaded, type-checked, decided, tested.

Pure: a bundle is texts in and a Decider out; a decision is a value. Nothing here
reads a clock, a file or the network by itself.
"""

from gateway.policy.bundle import Bundle, load_bundle
from gateway.policy.decider import Decider
from gateway.policy.decision import Decision, Draft, Mutation, Violation
from gateway.policy.difference import Difference, compare_bundles
from gateway.policy.explain import Explanation, explain
from gateway.policy.explain_text import explanation_to_json, explanation_to_text
from gateway.policy.format_schema import format_schema
from gateway.policy.junit import to_junit
from gateway.policy.lint import Finding, find_weaknesses
from gateway.policy.program import PolicyInput
from gateway.policy.record import Recorded, RecordError, read_record, to_record
from gateway.policy.replay import Replay, replay
from gateway.policy.requests import read_question
from gateway.policy.suite import CaseResult, Coverage, measure_coverage, run_suites

__all__ = [
    "Bundle",
    "CaseResult",
    "Coverage",
    "Decider",
    "Decision",
    "Difference",
    "Draft",
    "Explanation",
    "Finding",
    "Mutation",
    "PolicyInput",
    "RecordError",
    "Recorded",
    "Replay",
    "Violation",
    "compare_bundles",
    "explain",
    "explanation_to_json",
    "explanation_to_text",
    "find_weaknesses",
    "format_schema",
    "load_bundle",
    "measure_coverage",
    "read_question",
    "read_record",
    "replay",
    "run_suites",
    "to_junit",
    "to_record",
]
