"""The commands that evaluate one request."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_line import (
    FOUND_FAULTS,
    WRONG_CONFIGURATION,
    bundle_option,
    config_option,
    exit_on_faults,
    json_option,
    open_bundle,
    open_schema,
    print_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.policy_tools import Question
    from gateway.schema import Schema

_CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"

method_option = click.option("--method", default=_CREATE, show_default=True, help="Full name of the method.")
now_option = click.option(
    "--now", help="The time that rules see, with its zone; the present without this option."
)


@click.command()
@click.argument("request_file", metavar="[REQUEST]", default="-", type=click.File(encoding="utf-8"))
@bundle_option
@config_option
@json_option
@method_option
@now_option
def explain(
    request_file: Any, path: Path | None, file: Path | None, method: str, now: str | None, *, is_json: bool
) -> None:
    """Explain why a request is decided as it is.

    REQUEST is a file, or - for standard input: the request in JSON or YAML as a client sends it, an
    object with the keys request, method, caller and now, or a line of the decision log.
    """
    from gateway.policy import Decider
    from gateway.policy_tools import explain, explanation_to_json, explanation_to_text

    bundle, schema = open_bundle(path, file)
    question = _ask(*_read(request_file), schema, method, now)
    explanation = explain(Decider(bundle), question.input, schema)
    if is_json:
        print_json(explanation_to_json(explanation, question.recorded))
    else:
        click.echo(explanation_to_text(explanation, question.recorded), nl=False)


def _read(request_file: Any) -> tuple[str, str]:
    """Return the text of a file, and the name of the file. Error messages show this name."""
    try:
        return request_file.read(), request_file.name
    except UnicodeDecodeError as error:
        raise click.UsageError("the request is not UTF-8 text") from error


def _ask(text: str, name: str, schema: Schema, method: str, now: str | None) -> Question:
    from gateway.policy_tools import read_question_or_record

    with exit_on_faults(WRONG_CONFIGURATION):
        return read_question_or_record(text, name, schema, method, now)


@click.command("eval")
@click.argument("expression")
@click.option(
    "--request",
    "request_file",
    type=click.File(encoding="utf-8"),
    help="The request, as for explain; an empty one without this option.",
)
@config_option
@json_option
@method_option
@now_option
def evaluate(
    expression: str, request_file: Any, file: Path | None, method: str, now: str | None, *, is_json: bool
) -> None:
    """Print the value of a CEL EXPRESSION for a request, and its type."""
    from gateway.expressions import EvaluationError
    from gateway.expressions.expression import without_noise
    from gateway.policy_tools import evaluate_expression
    from gateway.serving.sources import hosts_of

    config, schema = open_schema(file)
    text, name = ("{}", "request") if request_file is None else _read(request_file)
    question = _ask(text, name, schema, method, now)
    with exit_on_faults(FOUND_FAULTS):
        try:
            found = evaluate_expression(expression, question.input, schema, hosts_of(config))
        except EvaluationError as error:
            reason = without_noise(str(error))
            click.echo(f"the expression has no value for this request: {reason}", err=True)
            sys.exit(FOUND_FAULTS)
    if is_json:
        print_json({"value": found.value, "type": found.type})
    else:
        click.echo(json.dumps(found.value, ensure_ascii=False, default=str))
        click.echo(f"type: {found.type}")
