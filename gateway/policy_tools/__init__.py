"""Tools for bundles: check, test, explain, replay, compare.

The package has no side effects. It uses the same decider as the gateway in service.
"""

from gateway.policy_tools.caller_fields import find_absent_caller_fields
from gateway.policy_tools.difference import Difference, compare_bundles
from gateway.policy_tools.evaluation import Evaluation, evaluate_expression
from gateway.policy_tools.explain import Explanation, explain
from gateway.policy_tools.explain_text import explanation_to_json, explanation_to_text
from gateway.policy_tools.finding import Finding
from gateway.policy_tools.format_schema import format_schema
from gateway.policy_tools.junit import to_junit
from gateway.policy_tools.lint import find_weaknesses
from gateway.policy_tools.question import Question, read_question_or_record
from gateway.policy_tools.replay import Replay, replay
from gateway.policy_tools.suite import CaseResult, Coverage, measure_coverage, run_suites
from gateway.policy_tools.versions import find_uncovered_methods, find_uncovered_versions

__all__ = [
    "CaseResult",
    "Coverage",
    "Difference",
    "Evaluation",
    "Explanation",
    "Finding",
    "Question",
    "Replay",
    "compare_bundles",
    "evaluate_expression",
    "explain",
    "explanation_to_json",
    "explanation_to_text",
    "find_absent_caller_fields",
    "find_uncovered_methods",
    "find_uncovered_versions",
    "find_weaknesses",
    "format_schema",
    "measure_coverage",
    "read_question_or_record",
    "replay",
    "run_suites",
    "to_junit",
]
