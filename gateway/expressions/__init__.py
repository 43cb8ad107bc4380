"""The language of policies: CEL, checked against descriptors, weighed when loaded, failing closed.

Pure: texts in, values out.
"""

from gateway.expressions.environment import Environment, ExpressionError, Problem
from gateway.expressions.expression import EvaluationError, Expression, evaluate
from gateway.expressions.functions import LINK_TYPE, Toolbox
from gateway.expressions.patterns import Patterns

__all__ = [
    "LINK_TYPE",
    "Environment",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Patterns",
    "Problem",
    "Toolbox",
    "evaluate",
]
