"""The language of policies: CEL with type checks and a cost limit.

An expression that cannot be evaluated never counts as true: it fails closed. The
package performs no input or output.
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
