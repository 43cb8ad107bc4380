"""What the descriptors say: types, methods, HTTP rules, constraints.

Everything the gateway knows of an API comes from here; no route, field name or
constraint is written a second time.
"""

from gateway.schema.constraints import (
    FieldConstraints,
    Range,
    describe_elements,
    describe_size,
    read_constraints,
    requires_one,
)
from gateway.schema.methods import HttpRule, Method, OperationTypes, Schema, load_schema
from gateway.schema.pool import (
    SchemaError,
    builtin_descriptors,
    descriptor_of,
    entry_of,
    field_of,
    is_map,
    load_pool,
)
from gateway.schema.sizes import FieldSizes, read_sizes

__all__ = [
    "FieldConstraints",
    "FieldSizes",
    "HttpRule",
    "Method",
    "OperationTypes",
    "Range",
    "Schema",
    "SchemaError",
    "builtin_descriptors",
    "describe_elements",
    "describe_size",
    "descriptor_of",
    "entry_of",
    "field_of",
    "is_map",
    "load_pool",
    "load_schema",
    "read_constraints",
    "read_sizes",
    "requires_one",
]
