"""The types, methods, HTTP rules and constraints that the descriptors define.

All facts about an API come from this package. No route, field name or constraint is
written again in other code. The names of well-known types are in
`gateway.schema.well_known`.
"""

from gateway.schema.constraints import (
    FieldConstraints,
    Range,
    describe_elements,
    describe_size,
    read_constraints,
    requires_one,
)
from gateway.schema.errors import SchemaError, field_fault
from gateway.schema.field_paths import find_fields, show_key
from gateway.schema.fields import (
    INTEGER_RANGES,
    entry_of,
    fits_parameter,
    is_64_bit,
    is_map,
    leaf_field,
    nested_message,
    other_members,
    value_field,
)
from gateway.schema.methods import HttpRule, Method, OperationTypes, Schema, load_schema
from gateway.schema.pool import (
    builtin_descriptors,
    descriptor_of,
    field_of,
    infrastructure_descriptors,
    load_pool,
    message_class,
)
from gateway.schema.reachable import reachable_types
from gateway.schema.sizes import FieldSizes, read_sizes

__all__ = [
    "INTEGER_RANGES",
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
    "field_fault",
    "field_of",
    "find_fields",
    "fits_parameter",
    "infrastructure_descriptors",
    "is_64_bit",
    "is_map",
    "leaf_field",
    "load_pool",
    "load_schema",
    "message_class",
    "nested_message",
    "other_members",
    "reachable_types",
    "read_constraints",
    "read_sizes",
    "requires_one",
    "show_key",
    "value_field",
]
