"""The definitions of all metrics: name, kind, unit, labels and meaning.

The instruments and docs/metrics.md are made from these definitions. The values of labels are names that the
gateway or its configuration defines, and never text of a caller. Therefore callers cannot increase the number
of time series without limit.

If the semantic conventions of OpenTelemetry define a metric, the gateway uses its name:
https://opentelemetry.io/docs/specs/semconv/.
"""

from __future__ import annotations

from gateway.telemetry.definition import Definition, Kind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DECISION_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1)
_OPERATION_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
_QUEUE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0)
_PAUSE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_METHOD = {"rpc.method": "the full name of the method; `_OTHER` for methods that are not served"}
_CODE = {"rpc.response.status_code": "the name of the status code"}
_UPSTREAM = {"upstream": "the name of the upstream in the configuration"}
_CREDENTIALS = {"credentials": "the name of the credentials in the configuration"}

REQUESTS = Definition(
    name="http.server.request.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time from the head of a REST request to the end of its response.",
    unit="s",
    labels={
        "http.request.method": "the HTTP method; `_OTHER` for unusual ones",
        "http.route": "the path template of the route; empty if no route matches",
        "http.response.status_code": "the HTTP status",
    },
    bounds=_SECONDS,
)
RPC_CALLS = Definition(
    name="rpc.server.call.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time from the arrival of a gRPC call to its response.",
    unit="s",
    labels=_METHOD | _CODE,
    bounds=_SECONDS,
)
UPSTREAM_CALLS = Definition(
    name="rpc.client.call.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time of an attempt of a call to an upstream.",
    unit="s",
    labels=_METHOD | _CODE | _UPSTREAM,
    bounds=_SECONDS,
)
RETRIES = Definition(
    name="gateway.upstream.retries",
    kind=Kind.COUNTER,
    meaning="Further attempts of calls to an upstream.",
    labels=_UPSTREAM,
)
ACTIVE_CALLS = Definition(name="gateway.calls.active", kind=Kind.OBSERVED_GAUGE, meaning="Calls under way.")
WAITERS = Definition(
    name="gateway.waiters", kind=Kind.UP_DOWN, meaning="Calls that wait for operations.", starts=((),)
)
OBSERVED_CALLS = Definition(
    name="gateway.observed",
    kind=Kind.COUNTER,
    meaning="What enforcement would have done to calls, in the mode `observe`.",
    labels={
        "effect": "`deny`, `refuse` or `mutate`",
        "reason": "the reason of the error; empty for a mutation",
    },
)
REFUSED_CALLERS = Definition(
    name="gateway.callers.failures",
    kind=Kind.COUNTER,
    meaning="Requests whose caller was not identified.",
    labels={
        "kind": "the kind of the credential; `none` if it is missing",
        "reason": "the problem of the credential",
    },
)
KEY_FETCHES = Definition(
    name="gateway.callers.key_fetches",
    kind=Kind.COUNTER,
    meaning="Attempts to fetch the keys for the JWTs of callers.",
    labels={"outcome": "`ok` or `failed`"},
)

LIMITED_CALLS = Definition(
    name="gateway.limits.refused",
    kind=Kind.COUNTER,
    meaning="Calls refused by a limit.",
    labels={"limit": "the key of the limit within the section `limits`; `store` if rates cannot be checked"},
    starts=(("concurrency",), ("queue",), ("queue_s",)),
)
UNCHECKED_CALLS = Definition(
    name="gateway.limits.unchecked",
    kind=Kind.COUNTER,
    meaning="Calls whose rates were not checked because the store did not respond.",
    starts=((),),
)
QUEUED_CALLS = Definition(
    name="gateway.queue.calls", kind=Kind.UP_DOWN, meaning="Calls in the queue.", starts=((),)
)
QUEUE_WAITS = Definition(
    name="gateway.queue.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time that a call spent in the queue.",
    unit="s",
    labels={"outcome": "`admitted`, `refused` or `cancelled`"},
    bounds=_QUEUE_SECONDS,
)

DECISIONS = Definition(
    name="gateway.decision.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time that a decision took.",
    unit="s",
    labels=_METHOD | {"decision": "`allow` or `deny`"},
    bounds=_DECISION_SECONDS,
)
VIOLATIONS = Definition(
    name="gateway.violations",
    kind=Kind.COUNTER,
    meaning="Broken rules that no waiver allowed.",
    labels={
        "policy": "the name of the policy",
        "rule": "the name of the rule, as `policy/rule`",
        "action": "the action of the binding: `deny`, `warn` or `audit`",
        "decision": "the decision on the call: `allow` or `deny`",
    },
)
WAIVERS = Definition(
    name="gateway.waivers",
    kind=Kind.COUNTER,
    meaning="Broken rules that a waiver allowed.",
    labels={"waiver": "the name of the waiver"},
)
MUTATIONS = Definition(
    name="gateway.mutations",
    kind=Kind.COUNTER,
    meaning="Fields that policies set.",
    labels={"policy": "the name of the policy"},
)
SHADOW_DECISIONS = Definition(
    name="gateway.shadow.decisions",
    kind=Kind.COUNTER,
    meaning="Decisions that the shadow bundle evaluated too.",
    labels={"outcome": "`same`, `would deny`, `would allow`, `other`, `too large` or `failed`"},
)
LOST_RECORDS = Definition(
    name="gateway.decision_log.lost",
    kind=Kind.COUNTER,
    meaning="Decision records that could not be written.",
    starts=((),),
)
QUEUED_RECORDS = Definition(
    name="gateway.decision_log.queue",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Decision records that wait to be written; absent without a decision log.",
)

COMMITS = Definition(
    name="gateway.ledger.commit.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time of a commit of the ledger. Each commit writes a group of events.",
    unit="s",
    bounds=_SECONDS,
)
FAILED_COMMITS = Definition(
    name="gateway.ledger.failures",
    kind=Kind.COUNTER,
    meaning="Attempts to open the ledger, or to commit events, that have failed.",
    starts=((),),
)
COMMITTED_EVENTS = Definition(
    name="gateway.ledger.events", kind=Kind.COUNTER, meaning="Events committed to the ledger."
)
LOST_EVENTS = Definition(
    name="gateway.ledger.lost",
    kind=Kind.COUNTER,
    meaning="Events that were not committed to the ledger.",
    starts=((),),
)
QUEUED_EVENTS = Definition(
    name="gateway.ledger.queue",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Events that wait for their commit; absent without a ledger.",
)
UNSETTLED_CHANGES = Definition(
    name="gateway.ledger.unsettled",
    kind=Kind.GAUGE,
    meaning="Changes whose outcome is not known.",
    labels={"outcome": "`pending` while the gateway establishes it, `unknown` if an operator has to"},
)
SETTLEMENTS = Definition(
    name="gateway.settlements",
    kind=Kind.COUNTER,
    meaning="Changes whose outcome was established later.",
    labels={"outcome": "the outcome of the change", "by": "how it was established"},
)
FOLLOWED_OPERATIONS = Definition(
    name="gateway.operations.following",
    kind=Kind.GAUGE,
    meaning="Operations in flight that the gateway follows.",
)
OPERATIONS = Definition(
    name="gateway.operation.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time from a change to the end of the operation that it started.",
    unit="s",
    labels={
        "rpc.method": "the full name of the method that started it",
        "operation.code": "the name of the status code with which the operation ended",
    },
    bounds=_OPERATION_SECONDS,
)

STALE_BUNDLE = Definition(
    name="gateway.bundle.stale",
    kind=Kind.GAUGE,
    meaning="1 while the files on disk are not used because they have faults, else 0.",
)
RELOADS = Definition(
    name="gateway.bundle.reloads",
    kind=Kind.COUNTER,
    meaning="Bundles that changed on disk.",
    labels={"outcome": "`active` if the gateway uses it now, else `refused`"},
    starts=(("active",), ("refused",)),
)
REMOVALS = Definition(
    name="gateway.bundle.removals",
    kind=Kind.COUNTER,
    meaning="Rules, and bindings that deny, that reloads removed.",
    labels={"kind": "`rule`, `binding`, or `method` for the last binding that denies calls of a method"},
)

CERTIFICATES = Definition(
    name="gateway.tls.certificate.time_left",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Time until a certificate of the gateway expires; negative when it has expired.",
    unit="s",
    labels={"section": "the section of the configuration that names the certificate"},
)
CREDENTIALS = Definition(
    name="gateway.credentials.remaining",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Time until the gateway's token for upstreams expires; absent if it is not known, 0 without one.",
    unit="s",
    labels=_CREDENTIALS,
)
REFRESHES = Definition(
    name="gateway.credentials.refreshes",
    kind=Kind.COUNTER,
    meaning="Attempts to get a token for upstreams.",
    labels=_CREDENTIALS | {"outcome": "`ok` or `failed`"},
)
CONDITIONS = Definition(
    name="gateway.condition",
    kind=Kind.OBSERVED_GAUGE,
    meaning="1 for the present status of each part of the gateway, 0 for the others.",
    labels={"name": "the name of the condition", "status": "`ok`, `degraded` or `failed`"},
)

DROPPED_LINES = Definition(
    name="gateway.log.dropped",
    kind=Kind.OBSERVED_COUNTER,
    meaning="Log lines dropped because nobody reads them, or writing failed.",
)
DROPPED_SPANS = Definition(
    name="gateway.spans.dropped",
    kind=Kind.OBSERVED_COUNTER,
    meaning="Spans that were not sent to the collector; absent if tracing is off.",
    labels={"reason": "`queue` if the queue was full, `export` if the collector did not accept them"},
)
EXPORTS = Definition(
    name="gateway.telemetry.exports",
    kind=Kind.OBSERVED_COUNTER,
    meaning="Batches sent to the collector; absent without one.",
    labels={"signal": "`traces` or `metrics`", "outcome": "`ok` or `failed`"},
)

EVENT_LOOP_LAG = Definition(
    name="gateway.event_loop.lag",
    kind=Kind.HISTOGRAM,
    meaning="Delay of a timer of the event loop. All calls are delayed by as much.",
    unit="s",
    bounds=_PAUSE_SECONDS,
)
GC_PAUSES = Definition(
    name="gateway.gc.pause.duration",
    kind=Kind.HISTOGRAM,
    meaning="Time for which a garbage collection stopped the process.",
    unit="s",
    labels={"cpython.gc.generation": "the oldest generation that was collected: `1` or `2`"},
    bounds=_PAUSE_SECONDS,
)
CPU_TIME = Definition(
    name="process.cpu.time",
    kind=Kind.OBSERVED_COUNTER,
    meaning="CPU time of the process.",
    unit="s",
    labels={"cpu.mode": "`user` or `system`"},
)
MEMORY = Definition(
    name="process.memory.usage",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Physical memory of the process (RSS).",
    unit="By",
)
FILE_DESCRIPTORS = Definition(
    name="process.unix.file_descriptor.count",
    kind=Kind.OBSERVED_GAUGE,
    meaning="Open file descriptors of the process.",
)
THREADS = Definition(name="process.thread.count", kind=Kind.OBSERVED_GAUGE, meaning="Threads of the process.")
UPTIME = Definition(
    name="process.uptime", kind=Kind.OBSERVED_GAUGE, meaning="Time since the start of the process.", unit="s"
)

ALL_DEFINITIONS: tuple[Definition, ...] = tuple(
    one for one in globals().values() if isinstance(one, Definition)
)
"""All definitions, in the order of this module."""
