"""The policies of the active bundle in the OpenAPI document.

Each operation whose method has policies gets the extension `x-policy`, and a part of its description that
says the same for people. Waivers are not described, because they are exceptions that were agreed with single
owners. A shadow bundle is not described, because it is not enforced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gateway.openapi.timeouts import WAIT
from gateway.policy.text_template import describe_text, describe_value
from gateway.redaction import redact_text, redact_value
from gateway.schema import descriptor_of
from gateway.transcode import to_json_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

    from gateway.openapi.keywords import Definition
    from gateway.policy import Bundle
    from gateway.policy.program import CompiledBinding, CompiledMutation, CompiledRule
    from gateway.schema import Schema

POLICY = "x-policy"
"""The extension of an operation. Its value is a list with one object for each binding."""

_DECIDED_WITH = {WAIT: "yandex.cloud.operation.OperationService/Get"}
"""A method of the gateway itself → the method of the cloud whose policies are evaluated too."""

_MAX_LISTED = 20
_MAX_TEXT = 500
_MARKDOWN = re.compile(r"[\\`*_<>\[\]&]")
_PLACEHOLDER = re.compile(r"\{.*\}")
_EFFECTS = {
    "deny": "A call that breaks a rule is denied (403).",
    "warn": "A call that breaks a rule gets a warning.",
    "audit": "A call that breaks a rule is only recorded.",
}


def add_policies(document: Definition, bundle: Bundle, schema: Schema) -> None:
    """Add the policies of a bundle to the operations of an OpenAPI document.

    Args:
        document: the document. It is changed.
        bundle: the bundle whose decisions are enforced.
        schema: the schema from which the document and the bundle were built.
    """
    known: dict[str, list[Definition]] = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            method = operation["x-grpc-method"]
            if method not in known:
                known[method] = list(_describe_method(method, bundle, schema))
            if known[method]:
                operation[POLICY] = known[method]
                texts = [operation.get("description", ""), _to_markdown(known[method])]
                operation["description"] = "\n\n".join(filter(None, texts))


def _describe_method(method: str, bundle: Bundle, schema: Schema) -> Iterator[Definition]:
    for name in filter(None, (method, _DECIDED_WITH.get(method))):
        program = bundle.programs.get(name)
        for binding in program.bindings if program is not None else ():
            policy, _ = bundle.documents.policies[binding.policy]
            request = descriptor_of(schema.known[name].request)
            yield _describe_binding(binding, policy.metadata.description, request)


def _describe_binding(binding: CompiledBinding, description: str, request: Descriptor) -> Definition:
    return _without_empty(
        policy=binding.policy,
        binding=binding.name,
        action=binding.action,
        description=_clean(description),
        when=_code(binding.when.text) if binding.when else "",
        parameters=_parameters(binding),
        rules=[_describe_rule(rule, binding, request) for rule in binding.rules],
        sets=[_describe_mutation(mutation, binding, request) for mutation in binding.mutations],
    )


def _parameters(binding: CompiledBinding) -> dict[str, Any]:
    """Return the values of the parameters that the binding reads."""
    reads, environment = binding.reads, binding.environment
    names = (name.removeprefix("params.") for name in sorted(reads) if name.startswith("params."))
    values = {name: environment.parameters.get(environment.full_name(f"params.{name}")) for name in names}
    return {name: redact_value(value, name) for name, value in values.items() if value is not None}


def _describe_rule(rule: CompiledRule, binding: CompiledBinding, request: Descriptor) -> Definition:
    return _without_empty(
        name=rule.name,
        field=to_json_path(rule.field.text, request),
        severity=rule.severity,
        message=describe_text(rule.message, binding.environment) if rule.message else "",
        fix=describe_text(rule.fix, binding.environment) if rule.fix else "",
        **{"assert": _code(rule.assertion.text)},
    )


def _describe_mutation(
    mutation: CompiledMutation, binding: CompiledBinding, request: Descriptor
) -> Definition:
    return _without_empty(
        field=to_json_path(mutation.target.path.text, request),
        value=describe_value(mutation.value, binding.environment),
        when=_code(mutation.when.text) if mutation.when else "",
    )


def _without_empty(**parts: Any) -> Definition:
    return {name: part for name, part in parts.items() if part not in ("", [], {})}


def _clean(text: str) -> str:
    return redact_text(" ".join(text.split()), _MAX_TEXT)


def _code(text: str) -> str:
    return redact_text(text.strip())


def _to_markdown(policies: list[Definition]) -> str:
    lines = ["**Policies of this gateway**", ""]
    for policy in policies:
        about = policy.get("description", "")
        effect = _EFFECTS[policy["action"]] if "rules" in policy else ""
        head = " ".join(filter(None, (_escape(about), effect)))
        lines.append(f"- **{_escape(policy['policy'])}** ({policy['action']}): {head}".rstrip(": "))
        lines += (f"  - {line}" for line in _lines(policy))
    return "\n".join(lines)


def _lines(policy: Definition) -> Iterator[str]:
    if "when" in policy:
        yield f"Only for requests with {_quote_code(policy['when'])}"
    rules = policy.get("rules", [])
    yield from map(_rule_line, rules[:_MAX_LISTED])
    if len(rules) > _MAX_LISTED:
        yield f"… and {len(rules) - _MAX_LISTED} more rules"
    verb = "Would set" if policy["action"] == "audit" else "Sets"
    for one in policy.get("sets", []):
        condition = f" when {_quote_code(one['when'])}" if "when" in one else ""
        yield f"{verb} {_quote_code(one['field'])} to {_quote_code(one.get('value', ''))}{condition}"


def _rule_line(rule: Definition) -> str:
    field = f"{_quote_code(rule['field'])}: " if "field" in rule else ""
    texts = "; ".join(_escape(rule[part]) for part in ("message", "fix") if part in rule)
    text = texts if _says_something(texts) else f"must meet {_quote_code(rule['assert'])}"
    return f"{field}{text} (rule {_quote_code(rule['name'])})"


def _says_something(text: str) -> bool:
    """Return whether a text has words of its author, and is not one value of the request only."""
    return bool(_PLACEHOLDER.sub("", text))


def _escape(text: str) -> str:
    """Return a text in which no character has a meaning in Markdown or HTML."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)


def _quote_code(text: str) -> str:
    """Return a text as a Markdown code span.

    A code span has no escapes, so its delimiter is longer than every run of backticks in the text.
    """
    text = " ".join(text.split()) or '""'
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
