"""Validation of the standard OTEL_* variables.

For some invalid values, the SDK raises an exception that does not name the variable. The SDK only logs or
ignores other invalid values. This module returns a fault for each invalid value before the SDK is set up.
"""

from __future__ import annotations

import math
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.faults import Fault, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SAMPLERS = (
    "always_on", "always_off", "traceidratio",
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)
_BATCHES = {"OTEL_BSP": "spans", "OTEL_BLRP": "log records"}
_SIGNALS = ("", "TRACES_", "METRICS_", "LOGS_")
_DEFAULT_QUEUE, _DEFAULT_BATCH = 2048, 512
_PROTOCOLS = ("grpc", "http/protobuf")
_GRPC = "grpc"


def find_faults(environment: Mapping[str, str]) -> list[Fault]:
    """Return a fault for each OTEL_* variable with an invalid value.

    Faults never show the values of headers, because headers contain credentials.
    """
    faults = []
    for variable, check in _CHECKS.items():
        if variable not in environment:
            continue
        try:
            check(environment[variable].strip())
        except ValueError as error:
            faults.append(Fault(Position(variable), "", str(error)))
    return faults + [Fault(Position(name), "", text) for name, text in _disagreements(environment)]


def _disagreements(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error message of each variable that conflicts with another variable.

    The value of such a variable is invalid only in combination with the value of the other variable.
    """
    yield from _find_large_batches(environment)
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    ratio = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if ratio and sampler.endswith("traceidratio"):
        try:
            _read_ratio(ratio)
        except ValueError as error:
            yield "OTEL_TRACES_SAMPLER_ARG", str(error)
    for signal in _SIGNALS:
        variable = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT"
        protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}PROTOCOL") or environment.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", ""
        )
        if endpoint := environment.get(variable, "").strip():
            try:
                _check_endpoint(endpoint, has_scheme=protocol != _GRPC)
            except ValueError as error:
                yield variable, str(error)


def _find_large_batches(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for prefix, noun in _BATCHES.items():
        of_queue, of_batch = f"{prefix}_MAX_QUEUE_SIZE", f"{prefix}_MAX_EXPORT_BATCH_SIZE"
        queue = _number(environment.get(of_queue, ""), _DEFAULT_QUEUE)
        batch = _number(environment.get(of_batch, ""), _DEFAULT_BATCH)
        if batch > queue > 0:
            name = of_batch if of_batch in environment else of_queue
            text = (
                f"a batch of {batch} {noun} does not fit in a queue of {queue}; set {of_batch} and {of_queue}"
            )
            yield name, text


def _number(text: str, default: int) -> int:
    return int(text) if text.strip().isdecimal() else default


def _read_ratio(text: str) -> None:
    ratio = _read_float(text)
    if not 0 <= ratio <= 1:
        raise ValueError(f"{text!r} is not a ratio from 0 to 1")


def _read_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _check_endpoint(text: str, *, has_scheme: bool) -> None:
    parts = urlsplit(text if has_scheme or "://" in text else f"http://{text}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in text:
        shape = "http://host:port or https://host:port" + ("" if has_scheme else ", or host:port")
        raise ValueError(f"an endpoint is {shape}")
    parts.port  # noqa: B018 - raises ValueError for what is no port


def _positive(text: str) -> None:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{text!r} is not accepted; use a whole number of 1 or more")


def _not_negative(text: str) -> None:
    if text and not text.isdecimal():
        raise ValueError(f"{text!r} is not accepted; use a whole number of 0 or more")


def _duration(text: str) -> None:
    if _read_float(text) <= 0:
        raise ValueError(f"{text!r} is not accepted; use a number above 0")


def _one_of(*accepted: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if text and text.lower() not in accepted:
            raise ValueError(f"{text!r} is not accepted; use one of: {', '.join(accepted)}")

    return check


def _sampler(text: str) -> None:
    if text and not entry_points(group="opentelemetry_traces_sampler", name=text):
        _one_of(*_SAMPLERS)(text)


def _context(text: str) -> None:
    """Check that a context can be loaded.

    The OpenTelemetry API loads the context when the API is imported, and only logs a failure.
    """
    if not text:
        return
    try:
        next(iter(entry_points(group="opentelemetry_context", name=text))).load()()
    except Exception as error:
        known = sorted(one.name for one in entry_points(group="opentelemetry_context"))
        raise ValueError(f"{text!r} is not accepted; use one of: {', '.join(known)}") from error


def _pairs(text: str) -> None:
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, _ = pair.partition("=")
        if not equals or not name.strip() or " " in name.strip():
            raise ValueError("is not a list of name=value pairs, separated by commas")


def _file(text: str) -> None:
    try:
        if text:
            Path(text).open("rb").close()
    except OSError as error:
        raise ValueError(f"{text} cannot be read: {error.strerror}") from error


def _each_signal(suffix: str, check: Callable[[str], None]) -> dict[str, Callable[[str], None]]:
    return {f"OTEL_EXPORTER_OTLP_{signal}{suffix}": check for signal in _SIGNALS}


_CHECKS: dict[str, Callable[[str], None]] = {
    "OTEL_SDK_DISABLED": _one_of("true", "false"),
    "OTEL_PYTHON_CONTEXT": _context,
    "OTEL_TRACES_EXPORTER": _one_of("otlp", "console", "none"),
    "OTEL_METRICS_EXPORTER": _one_of("otlp", "console", "none"),
    "OTEL_LOGS_EXPORTER": _one_of("otlp", "none"),  # records of decisions are on standard output
    "OTEL_RESOURCE_ATTRIBUTES": _pairs,
    "OTEL_TRACES_SAMPLER": _sampler,
    **{
        f"{prefix}_{name}": _positive
        for prefix in _BATCHES
        for name in ("MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "SCHEDULE_DELAY", "EXPORT_TIMEOUT")
    },
    "OTEL_METRIC_EXPORT_INTERVAL": _duration,
    "OTEL_METRIC_EXPORT_TIMEOUT": _duration,
    "OTEL_METRICS_EXEMPLAR_FILTER": _one_of("always_on", "always_off", "trace_based"),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": _one_of("cumulative", "delta", "lowmemory"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": _one_of(
        "explicit_bucket_histogram", "base2_exponential_bucket_histogram"
    ),
    **_each_signal("PROTOCOL", _one_of(*_PROTOCOLS)),
    **_each_signal("HEADERS", _pairs),
    **_each_signal("TIMEOUT", _duration),
    **_each_signal("COMPRESSION", _one_of("gzip", "deflate", "none")),
    **_each_signal("INSECURE", _one_of("true", "false")),
    **_each_signal("CERTIFICATE", _file),
    **_each_signal("CLIENT_KEY", _file),
    **_each_signal("CLIENT_CERTIFICATE", _file),
    **dict.fromkeys(_LIMITS, _not_negative),
}
