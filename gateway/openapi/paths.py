"""Conversion of google.api.http path templates to OpenAPI paths.

In OpenAPI, a path parameter is always one segment of the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from gateway.transcode.template import Template, Variable, Wildcard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.openapi.keywords import Definition

_PATH_SAFE = "-._~!$&'()*+,;=@:"
ANY_METHOD = "*"
HTTP_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The HTTP methods that OpenAPI 3.1 supports."""
_METHODS_FOR_ANY = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A parameter of an OpenAPI path. The parameter stands for one wildcard of the template.

    Attributes:
        name: the name of the parameter in the OpenAPI path.
        variable: the template variable that contains the wildcard; None if no variable contains it.
        form: the segments of the template variable, such as `shelves/*`; empty if the variable has only one
            segment.
        is_rest: whether the wildcard matches any number of segments.
    """

    name: str
    variable: Variable | None
    form: str
    is_rest: bool


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """An OpenAPI path and its parameters.

    Attributes:
        key: the text of the path. The names of the parameters are in braces.
        parameters: the parameters, in the order in which they occur in the path.
    """

    key: str
    parameters: tuple[PathParameter, ...]


PathSegment: TypeAlias = str | PathParameter


def split_template(template: Template, name_of: Callable[[tuple[str, ...]], str]) -> list[PathSegment]:
    """Convert the segments of a path template to OpenAPI segments.

    Literals are percent-encoded. Wildcards are converted to path parameters.

    Args:
        template: the parsed path template.
        name_of: the function that returns the name of the path parameter for a field path.
    """
    segments: list[PathSegment] = []
    for index, segment in enumerate(template.segments):
        if isinstance(segment, Wildcard):
            variable = next((one for one in template.variables if _covers(one, index)), None)
            segments.append(_parameter(template, variable, index, name_of))
        else:
            segments.append(quote(segment, safe=_PATH_SAFE))
    return segments


def _covers(variable: Variable, index: int) -> bool:
    return variable.start <= index and (variable.end is None or index < variable.end)


def _parameter(
    template: Template, variable: Variable | None, index: int, name_of: Callable[[tuple[str, ...]], str]
) -> PathParameter:
    is_rest = template.segments[index] is Wildcard.REST
    if variable is None:
        return PathParameter(f"segment{index + 1}", None, "", is_rest)
    own = template.segments[variable.start : variable.end]
    wildcards = [at for at, one in enumerate(own, variable.start) if isinstance(one, Wildcard)]
    number = f"_{wildcards.index(index) + 1}" if len(wildcards) > 1 else ""
    form = "/".join(one.value if isinstance(one, Wildcard) else one for one in own) if len(own) > 1 else ""
    return PathParameter(f"{name_of(variable.field_path)}{number}", variable, form, is_rest)


class PathItems:
    """The paths of the OpenAPI document.

    In OpenAPI, two paths that differ only in the names of their parameters are the same path. For such a
    path, the parameter names of the first added path are used.

    Attributes:
        items: the operations of each path, keyed by the text of the path. The operations of a path are keyed
            by the HTTP method in lower case.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Definition]] = {}
        self._paths: dict[str, PathTemplate] = {}

    def add(
        self, http_method: str, template: Template, segments: list[PathSegment]
    ) -> Iterator[tuple[str, PathTemplate]]:
        """For each operation of an HTTP rule, yield the HTTP method in lower case and the OpenAPI path.

        Args:
            http_method: the HTTP method of the HTTP rule; `*` for any HTTP method.
            template: the parsed path template of the HTTP rule.
            segments: the OpenAPI segments of the path template.
        """
        suffix = f":{quote(template.custom_verb, safe=_PATH_SAFE)}" if template.custom_verb else ""
        for one in _METHODS_FOR_ANY if http_method == ANY_METHOD else (http_method.lower(),):
            if one not in HTTP_METHODS:
                continue
            path = self._path(segments, suffix)
            if one not in self.items.get(path.key, {}):
                yield one, path
            elif http_method != ANY_METHOD:  # an earlier template has the same path
                yield one, _join(_renamed(segments), suffix)

    def put(self, http_method: str, path: PathTemplate, operation: Definition) -> None:
        """Add an operation to the document.

        Args:
            http_method: the HTTP method in lower case.
            path: the OpenAPI path of the operation.
            operation: the definition of the operation.
        """
        self.items.setdefault(path.key, {})[http_method] = operation

    def _path(self, segments: list[PathSegment], suffix: str) -> PathTemplate:
        shape = "/".join(one if isinstance(one, str) else "{}" for one in segments) + suffix
        path = _join(segments, suffix)
        first = self._paths.setdefault(shape, path)
        parameters = zip(first.parameters, path.parameters, strict=True)
        return PathTemplate(
            first.key,
            tuple(
                PathParameter(named.name, own.variable, own.form, own.is_rest) for named, own in parameters
            ),
        )


def _join(segments: list[PathSegment], suffix: str) -> PathTemplate:
    texts = [one if isinstance(one, str) else f"{{{one.name}}}" for one in segments]
    parameters = tuple(one for one in segments if isinstance(one, PathParameter))
    return PathTemplate(f"/{'/'.join(texts)}{suffix}", parameters)


def _renamed(segments: list[PathSegment]) -> list[PathSegment]:
    return [
        one if isinstance(one, str) else PathParameter(f"{one.name}_", one.variable, one.form, one.is_rest)
        for one in segments
    ]
