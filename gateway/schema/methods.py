"""The table of methods. It contains the HTTP rules and the types of each method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import MethodOptions

from gateway.faults import Fault, Position, suggest
from gateway.schema.errors import SchemaError
from gateway.schema.pool import builtin_descriptors, load_pool, message_class, options_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_HTTP = "google.api.http"
_OPERATION = "yandex.cloud.api.operation"


class _OptionError(ValueError):
    """An option of a method is not supported or not valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRule:
    """One google.api.http rule.

    See https://github.com/googleapis/googleapis/blob/master/google/api/http.proto.

    Attributes:
        http_method: the HTTP method in upper case; `*` for any method.
        template: the path template, as written in the rule.
        body: the name of the request field that the body sets, or `*` if the body sets all fields that the
            path does not set; empty if the method takes no body.
        response_body: the name of the reply field that is sent as the response; empty for the whole reply.
    """

    http_method: str
    template: str
    body: str
    response_body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTypes:
    """The full names of the message types that the Operation of a long-running method contains."""

    metadata: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Method:
    """One method of a service.

    Attributes:
        name: the full name, in the form `package.Service/Method`. Policies and metrics use this name.
        service: the full name of the service.
        file: the name of the .proto file that defines the method.
        request: the class of request messages.
        reply: the class of reply messages.
        client_streaming: whether the client sends a stream of requests.
        server_streaming: whether the server sends a stream of replies.
        rules: the HTTP rules. The primary rule is the first.
        operation: the types that the Operation contains; None if the method is not long-running.
        is_read: whether the method only reads. A call of such a method may be cancelled at any time.
    """

    name: str
    service: str
    file: str
    request: type[Message]
    reply: type[Message]
    client_streaming: bool
    server_streaming: bool
    rules: tuple[HttpRule, ...]
    operation: OperationTypes | None
    is_read: bool

    @property
    def path(self) -> str:
        """The value of `:path` in a gRPC call of the method."""
        return f"/{self.name}"

    def fault(self, message: str) -> Fault:
        """Return a fault in the definition of the method."""
        return Fault(Position(self.file), self.name, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The types and methods of one set of descriptors.

    Attributes:
        pool: the pool of all types.
        methods: the served methods. None of them takes a stream of requests. The keys are the full names of
            the methods.
        known: the methods of all services in the descriptors. The keys are the full names of the methods. The
            gateway does not serve all of these services.
    """

    pool: DescriptorPool
    methods: Mapping[str, Method]
    known: Mapping[str, Method]

    def message(self, name: str) -> type[Message]:
        """Return the class of a message type by its full name.

        Raises:
            KeyError: the type does not exist.
        """
        return message_class(self.pool, name)


def load_schema(
    services: Iterable[str],
    descriptor_sets: Mapping[str, bytes] | None = None,
    excluded_methods: Sequence[str] = (),
) -> Schema:
    """Build the table that contains the methods of the services.

    Args:
        services: the full names of the services to serve.
        descriptor_sets: the serialized FileDescriptorSets to load in addition to the built-in set. Each key
            is the name of a set in error messages.
        excluded_methods: the full names of the methods of these services that are not served.

    Raises:
        SchemaError: a descriptor set is invalid, a served method is invalid or takes a stream of requests, a
            service is in no descriptor set, an excluded method does not exist, or no method has an HTTP rule.
    """
    pool, defined = load_pool({"built-in descriptors": builtin_descriptors(), **(descriptor_sets or {})})
    served = set(services)
    faults = [
        _fault(f"service {service} is in no descriptor set") for service in sorted(served - set(defined))
    ]
    known: dict[str, Method] = {}
    for name in defined:
        unserved: list[Fault] = []  # the faults of services that are not served are ignored
        found = _methods(
            pool.FindServiceByName(name), faults if name in served else unserved, set(excluded_methods)
        )
        known |= {method.name: method for method in found}
    faults += _excluded_faults(pool, served & set(defined), excluded_methods)
    methods = {
        name: method
        for name, method in known.items()
        if method.service in served and name not in excluded_methods
    }
    faults += [_stream_fault(method) for method in methods.values() if method.client_streaming]
    if not faults and not any(method.rules for method in methods.values()):
        faults.append(_fault("no method has a google.api.http rule, so there is no route to serve"))
    if faults:
        raise SchemaError(faults)
    return Schema(pool=pool, methods=methods, known=known)


def _fault(message: str) -> Fault:
    return Fault(Position("descriptors"), "", message)


def _excluded_faults(
    pool: DescriptorPool, services: Iterable[str], excluded_methods: Sequence[str]
) -> Iterable[Fault]:
    """Return a fault for each excluded method that is no method of a service."""
    defined = [
        f"{service}/{method.name}"
        for service in services
        for method in pool.FindServiceByName(service).methods
    ]
    for index, name in enumerate(excluded_methods):
        if name not in defined:
            message = f"{name!r} is no method of a served service{suggest(name, defined)}"
            yield Fault(Position("descriptors"), f"api.excluded_methods[{index}]", message)


def _stream_fault(method: Method) -> Fault:
    message = (
        f"{method.name} takes a stream of requests, but policies evaluate one request message; "
        "add the method to api.excluded_methods, or do not serve the service"
    )
    return Fault(Position(method.file), f"api.services.{method.service}", message)


def _methods(service: ServiceDescriptor, faults: list[Fault], excluded: Collection[str]) -> Iterable[Method]:
    """Return the methods of a service. The faults of excluded methods are ignored."""
    for descriptor in service.methods:
        name = f"{service.full_name}/{descriptor.name}"
        options = options_of(descriptor)
        try:
            rules = tuple(_rules(options[_HTTP])) if _HTTP in options else ()
            operation = _operation(descriptor, options.get(_OPERATION))
            yield Method(
                name=name,
                service=service.full_name,
                file=service.file.name,
                request=message_factory.GetMessageClass(descriptor.input_type),
                reply=message_factory.GetMessageClass(descriptor.output_type),
                client_streaming=descriptor.client_streaming,
                server_streaming=descriptor.server_streaming,
                rules=rules,
                operation=operation,
                is_read=operation is None and _has_no_effect(descriptor, rules),
            )
        except _OptionError as error:
            if name not in excluded:
                faults.append(Fault(Position(service.file.name), name, str(error)))


def _has_no_effect(descriptor: MethodDescriptor, rules: tuple[HttpRule, ...]) -> bool:
    if descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return True
    return bool(rules) and all(rule.http_method == "GET" for rule in rules)


def _rules(http: Any) -> Iterable[HttpRule]:
    yield _rule(http)
    for additional in http.additional_bindings:
        if additional.additional_bindings:
            raise _OptionError("additional_bindings do not nest")
        yield _rule(additional)


def _rule(http: Any) -> HttpRule:
    pattern = http.WhichOneof("pattern")
    if pattern is None:
        raise _OptionError("the HTTP rule has no pattern")
    if pattern == "custom":
        http_method, template = http.custom.kind.upper(), http.custom.path
        if not http_method:
            raise _OptionError("the custom HTTP rule has no kind, which is its HTTP method")
    else:
        http_method, template = pattern.upper(), getattr(http, pattern)
    return HttpRule(
        http_method=http_method, template=template, body=http.body, response_body=http.response_body
    )


def _operation(descriptor: MethodDescriptor, option: Any) -> OperationTypes | None:
    if option is None:
        return None
    package = descriptor.containing_service.file.package
    return OperationTypes(
        metadata=_resolve(descriptor, package, option.metadata),
        response=_resolve(descriptor, package, option.response),
    )


def _resolve(descriptor: MethodDescriptor, package: str, name: str) -> str:
    """Return the full name of the type that an option of a method refers to.

    The search for the type starts in the package of the service and continues in the enclosing
    packages. protoc searches in the same order.
    """
    pool = descriptor.containing_service.file.pool
    while True:
        try:
            return str(pool.FindMessageTypeByName(f"{package}.{name}".strip(".")).full_name)
        except KeyError:
            if not package:
                break
            package = package.rpartition(".")[0]
    raise _OptionError(f"the operation option names {name!r}, which is not a known message")
