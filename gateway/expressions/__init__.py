"""The language of policies: CEL, type-checked, with a cost limit, failing closed.

Pure: texts in, values out.
"""

from gateway.expressions.activation import Activation
from gateway.expressions.environment import Environment
from gateway.expressions.errors import EvaluationError, ExpressionError, Problem
from gateway.expressions.expression import Executable, Expression
from gateway.expressions.functions import LINK_TYPE, Toolbox
from gateway.expressions.input_limits import InputLimits
from gateway.expressions.patterns import Patterns

__all__ = [
    "LINK_TYPE",
    "Activation",
    "Environment",
    "EvaluationError",
    "Executable",
    "Expression",
    "ExpressionError",
    "InputLimits",
    "Patterns",
    "Problem",
    "Toolbox",
]
