"""The panels of the dashboards in deploy/observability/grafana."""

from __future__ import annotations

from docs.generators.panel import Panel, quantiles_of, rate_of, sum_of

_FAILURES = "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"

TRAFFIC = (
    Panel(
        title="REST requests",
        text="Requests by HTTP status.",
        unit="reqps",
        queries=(
            (
                rate_of("http_server_request_duration_seconds_count", "http_response_status_code"),
                "{{http_response_status_code}}",
            ),
        ),
    ),
    Panel(
        title="gRPC calls",
        text="Calls by status code.",
        unit="reqps",
        queries=(
            (
                rate_of("rpc_server_call_duration_seconds_count", "rpc_response_status_code"),
                "{{rpc_response_status_code}}",
            ),
        ),
    ),
    Panel(
        title="Duration of REST requests",
        text="Time from the head of a request to the end of its response. A point leads to its trace.",
        unit="s",
        queries=quantiles_of("http_server_request_duration_seconds"),
        has_exemplars=True,
    ),
    Panel(
        title="Duration of gRPC calls",
        text="Time from the arrival of a call to its response. A point leads to its trace.",
        unit="s",
        queries=quantiles_of("rpc_server_call_duration_seconds"),
        has_exemplars=True,
    ),
    Panel(
        title="Failures of upstreams",
        text="Attempts that ended with a status code that is no refusal of the caller's request.",
        unit="reqps",
        queries=(
            (
                rate_of(
                    "rpc_client_call_duration_seconds_count",
                    "upstream, rpc_response_status_code",
                    f'rpc_response_status_code=~"{_FAILURES}"',
                ),
                "{{upstream}} {{rpc_response_status_code}}",
            ),
        ),
    ),
    Panel(
        title="Duration of calls to upstreams",
        text="Time of one attempt. If it is near the duration of requests, the upstream is slow.",
        unit="s",
        queries=quantiles_of("rpc_client_call_duration_seconds", "upstream"),
        has_exemplars=True,
    ),
    Panel(
        title="Calls under way",
        text="Calls that have a slot, calls in the queue, and calls that wait for operations.",
        unit="short",
        queries=(
            (sum_of("gateway_calls_active", "instance"), "active {{instance}}"),
            (sum_of("gateway_queue_calls", "instance"), "queue {{instance}}"),
            (sum_of("gateway_waiters", "instance"), "waiters {{instance}}"),
        ),
    ),
    Panel(
        title="Calls refused by limits",
        text="By the key of the limit. concurrency, queue and queue_s mean an overload.",
        unit="reqps",
        queries=((rate_of("gateway_limits_refused_total", "limit"), "{{limit}}"),),
    ),
    Panel(
        title="Calls without their rates checked",
        text="The store of the rates does not respond, and limits.on_error is allow.",
        unit="reqps",
        queries=((rate_of("gateway_limits_unchecked_total", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Time in the queue",
        text="By how the wait ended.",
        unit="s",
        queries=quantiles_of("gateway_queue_duration_seconds", "outcome"),
    ),
    Panel(
        title="Retries",
        text="Further attempts of calls to upstreams.",
        unit="reqps",
        queries=((rate_of("gateway_upstream_retries_total", "upstream"), "{{upstream}}"),),
    ),
    Panel(
        title="Callers that are not identified",
        text="By the kind and the problem of the credential.",
        unit="reqps",
        queries=((rate_of("gateway_callers_failures_total", "kind, reason"), "{{kind}} {{reason}}"),),
    ),
    Panel(
        title="Fetches of callers' keys",
        text="Attempts to fetch the keys for JWTs.",
        unit="reqps",
        queries=(
            (rate_of("gateway_callers_key_fetches_total", "instance, outcome"), "{{instance}} {{outcome}}"),
        ),
    ),
)

DECISIONS = (
    Panel(
        title="Decisions",
        text="Calls that policies have decided on.",
        unit="reqps",
        queries=((rate_of("gateway_decision_duration_seconds_count", "decision"), "{{decision}}"),),
    ),
    Panel(
        title="Duration of decisions",
        text="Time of mutations and rules.",
        unit="s",
        queries=quantiles_of("gateway_decision_duration_seconds"),
    ),
    Panel(
        title="Broken rules",
        text="By the rule and the action of its binding.",
        unit="reqps",
        queries=((rate_of("gateway_violations_total", "rule, action"), "{{rule}} {{action}}"),),
    ),
    Panel(
        title="Policies that denied calls",
        text="Broken rules of denied calls, by policy.",
        unit="reqps",
        queries=(
            (rate_of("gateway_violations_total", "policy", 'action="deny",decision="deny"'), "{{policy}}"),
        ),
    ),
    Panel(
        title="Waivers used",
        text="Broken rules that a waiver allowed.",
        unit="reqps",
        queries=((rate_of("gateway_waivers_total", "waiver"), "{{waiver}}"),),
    ),
    Panel(
        title="Mutations",
        text="Fields that policies set.",
        unit="reqps",
        queries=((rate_of("gateway_mutations_total", "policy"), "{{policy}}"),),
    ),
    Panel(
        title="Effects that enforcement would have",
        text="In the mode observe. Enforcement would deny, refuse or mutate these calls.",
        unit="reqps",
        queries=((rate_of("gateway_observed_total", "effect, reason"), "{{effect}} {{reason}}"),),
    ),
    Panel(
        title="Differences of the shadow bundle",
        text="Decisions that the shadow bundle would make otherwise, or could not make.",
        unit="reqps",
        queries=((rate_of("gateway_shadow_decisions_total", "outcome", 'outcome!="same"'), "{{outcome}}"),),
    ),
    Panel(
        title="Files on disk that are not used",
        text="1 while the files on disk have faults, and the bundle from before serves.",
        unit="short",
        queries=((sum_of("gateway_bundle_stale", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Reloads",
        text="Changed bundles, and what they no longer enforce.",
        unit="reqps",
        queries=(
            (rate_of("gateway_bundle_reloads_total", "outcome"), "{{outcome}}"),
            (rate_of("gateway_bundle_removals_total", "kind"), "removed {{kind}}"),
        ),
    ),
    Panel(
        title="Decision log",
        text="Records that wait, and records that were lost for each second.",
        unit="short",
        queries=(
            (sum_of("gateway_decision_log_queue", "instance"), "waiting {{instance}}"),
            (rate_of("gateway_decision_log_lost_total", "instance"), "lost {{instance}}"),
        ),
    ),
)

OPERATIONS = (
    Panel(
        title="Operations in flight",
        text="Operations that the gateway follows.",
        unit="short",
        queries=((sum_of("gateway_operations_following", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Ended operations",
        text="By the status code with which they ended.",
        unit="ops",
        queries=(
            (rate_of("gateway_operation_duration_seconds_count", "operation_code"), "{{operation_code}}"),
        ),
    ),
    Panel(
        title="Duration of operations",
        text="Time from a change to the end of its operation.",
        unit="s",
        queries=quantiles_of("gateway_operation_duration_seconds", "operation_code"),
    ),
    Panel(
        title="Changes without a known outcome",
        text="pending: the gateway establishes it. unknown: an operator has to.",
        unit="short",
        queries=((sum_of("gateway_ledger_unsettled", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        title="Settled changes",
        text="Changes whose outcome was established later.",
        unit="ops",
        queries=((rate_of("gateway_settlements_total", "outcome, by"), "{{outcome}} {{by}}"),),
    ),
)

LEDGER = (
    Panel(
        title="Failures of the ledger",
        text="Failed attempts to open the ledger or to commit events. Changes are refused meanwhile.",
        unit="ops",
        queries=((rate_of("gateway_ledger_failures_total", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Duration of commits",
        text="Each change waits for one commit.",
        unit="s",
        queries=quantiles_of("gateway_ledger_commit_duration_seconds"),
    ),
    Panel(
        title="Committed events",
        text="Commits, and the events that they wrote.",
        unit="ops",
        queries=(
            (rate_of("gateway_ledger_commit_duration_seconds_count", "instance"), "commits {{instance}}"),
            (rate_of("gateway_ledger_events_total", "instance"), "events {{instance}}"),
        ),
    ),
    Panel(
        title="Events that wait",
        text="A queue that grows means that commits are too slow.",
        unit="short",
        queries=((sum_of("gateway_ledger_queue", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Lost events",
        text="Events of reads and refusals for which there was no room.",
        unit="ops",
        queries=((rate_of("gateway_ledger_lost_total", "instance"), "{{instance}}"),),
    ),
)

PROCESS = (
    Panel(
        title="Conditions that are not ok",
        text="Parts of the gateway that are degraded or failed. /readyz?verbose has the reasons.",
        unit="short",
        queries=(
            (
                'max by (instance, name, status) (gateway_condition{SERIES,status!="ok"}) == 1',
                "{{instance}} {{name}} {{status}}",
            ),
        ),
    ),
    Panel(
        title="Lag of the event loop",
        text="All calls are delayed by as much.",
        unit="s",
        queries=quantiles_of("gateway_event_loop_lag_seconds", "instance"),
    ),
    Panel(
        title="Pauses for garbage collection",
        text="The part of time for which the process stood still.",
        unit="percentunit",
        queries=(
            (
                rate_of("gateway_gc_pause_duration_seconds_sum", "instance, cpython_gc_generation"),
                "{{instance}} {{cpython_gc_generation}}",
            ),
        ),
    ),
    Panel(
        title="CPU",
        text="Cores in use. One process uses at most about one.",
        unit="short",
        queries=(
            (rate_of("process_cpu_time_seconds_total", "instance, cpu_mode"), "{{instance}} {{cpu_mode}}"),
        ),
    ),
    Panel(
        title="Memory",
        text="Physical memory (RSS).",
        unit="bytes",
        queries=((sum_of("process_memory_usage_bytes", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="File descriptors and threads",
        text="Each connection needs a descriptor.",
        unit="short",
        queries=(
            (sum_of("process_unix_file_descriptor_count", "instance"), "descriptors {{instance}}"),
            (sum_of("process_thread_count", "instance"), "threads {{instance}}"),
        ),
    ),
    Panel(
        title="Uptime",
        text="Time since the start. A process that often restarts has a cause in its log.",
        unit="s",
        queries=((sum_of("process_uptime_seconds", "instance"), "{{instance}}"),),
    ),
    Panel(
        title="Remaining life of tokens",
        text="The gateway's own tokens for upstreams. They are refreshed long before they expire.",
        unit="s",
        queries=(
            (
                "min by (instance, credentials) (gateway_credentials_remaining_seconds{SERIES})",
                "{{instance}} {{credentials}}",
            ),
        ),
    ),
    Panel(
        title="Refreshes of tokens",
        text="Attempts to get a token.",
        unit="ops",
        queries=(
            (
                rate_of("gateway_credentials_refreshes_total", "credentials, outcome"),
                "{{credentials}} {{outcome}}",
            ),
        ),
    ),
    Panel(
        title="Remaining life of certificates",
        text="The certificates that the gateway presents. A negative value means expired.",
        unit="s",
        queries=(
            (
                "min by (instance, section) (gateway_tls_certificate_time_left_seconds{SERIES})",
                "{{instance}} {{section}}",
            ),
        ),
    ),
    Panel(
        title="Exports to the collector",
        text="Batches of traces and metrics, and spans that were lost.",
        unit="ops",
        queries=(
            (rate_of("gateway_telemetry_exports_total", "signal, outcome"), "{{signal}} {{outcome}}"),
            (rate_of("gateway_spans_dropped_total", "reason"), "lost spans: {{reason}}"),
        ),
    ),
    Panel(
        title="Dropped log lines",
        text="Nobody reads standard error, or writing failed.",
        unit="ops",
        queries=((rate_of("gateway_log_dropped_total", "instance"), "{{instance}}"),),
    ),
)

DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "traffic": ("Traffic", TRAFFIC),
    "decisions": ("Decisions", DECISIONS),
    "operations": ("Operations", OPERATIONS),
    "ledger": ("Ledger", LEDGER),
    "process": ("Process", PROCESS),
}
"""The title and the panels of each dashboard, keyed by the name of its file."""
