"""A router for all HTTP rules of a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.schema import SchemaError
from gateway.transcode.binder import Binder, RuleError
from gateway.transcode.http_body import returns_raw_body, takes_raw_body
from gateway.transcode.json_reader import JsonReader
from gateway.transcode.router import RouteConflictError, Router
from gateway.transcode.template import TemplateError, parse_template

if TYPE_CHECKING:
    from gateway.faults import Fault
    from gateway.schema import HttpRule, Method, Schema


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One HTTP rule of a method.

    Attributes:
        method: the method that the HTTP rule belongs to.
        rule: the HTTP rule.
        binder: the binder that builds the request messages of the HTTP rule.
        takes_raw_body: whether the request body is bytes of any media type.
        returns_raw_body: whether the response body is bytes of any media type.
    """

    method: Method
    rule: HttpRule
    binder: Binder
    takes_raw_body: bool
    returns_raw_body: bool

    def __str__(self) -> str:
        return f"{self.method.name} ({self.rule.http_method} {self.rule.template})"


def build_router(schema: Schema, max_elements: int | None = None) -> Router[Route]:
    """Return a router for all HTTP rules of a schema.

    Args:
        schema: the schema with the methods and their HTTP rules.
        max_elements: the maximum total number of elements in the lists and maps of one request; None for no
            limit.

    Raises:
        SchemaError: a path template is malformed, an HTTP rule does not fit the types of its method, or two
            routes conflict. The error lists all such faults.
    """
    router: Router[Route] = Router()
    reader = JsonReader(max_elements)
    faults: list[Fault] = []
    for method in schema.methods.values():
        for rule in method.rules:
            try:
                template = parse_template(rule.template)
                route = Route(
                    method=method,
                    rule=rule,
                    binder=Binder(method, rule, template, reader),
                    takes_raw_body=takes_raw_body(method, rule),
                    returns_raw_body=returns_raw_body(method, rule),
                )
                router.add(rule.http_method, template, route)
            except (TemplateError, RuleError, RouteConflictError) as error:
                faults.append(method.fault(str(error)))
    if faults:
        raise SchemaError(faults)
    return router
