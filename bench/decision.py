"""How long a decision takes: median and p99 in microseconds, all cases interleaved in one run."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.workloads import CREATE
from gateway.bundles import read_bundle
from gateway.call import Caller
from gateway.config import Config
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 40
CALLS = 100
GET = "yandex.cloud.baremetal.v1alpha.ImageService/Get"
LINK = "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso"
SIGNED = (
    f"{LINK}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=YCAJEexample%2F20260101%2Fru-central1%2Fs3"
    "%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=2592000&X-Amz-SignedHeaders=host"
    f"&X-Amz-Signature={'0a' * 32}"
)


def bundle(rules: list[str], params: str = "{}", bindings: int = 1) -> BundleFiles:
    """Return a bundle of one policy with the rules, bound so many times."""
    written = "".join(f"    - {{name: r{number}, assert: '{rule}'}}\n" for number, rule in enumerate(rules))
    text = (
        "apiVersion: baremetal-gateway/v1\nkind: Policy\nmetadata: {name: many}\nspec:\n"
        f"  methods: [{CREATE}]\n  rules:\n{written}"
    )
    text += "".join(
        "---\napiVersion: baremetal-gateway/v1\nkind: Binding\n"
        f"metadata: {{name: b{number}}}\nspec: {{policy: many, params: {params}}}\n"
        for number in range(bindings)
    )
    return BundleFiles({"bundle.yaml": text})


def labels(count: int) -> list[str]:
    """Rules about labels, each met by the request."""
    return [f'!("forbidden-{number}" in request.labels)' for number in range(count)]


def bundles() -> dict[str, BundleFiles]:
    """What requests are decided by."""
    names = ", ".join(f"bucket-{number}" for number in range(999))
    return {
        "bundle that ships": read_bundle(Path("policies")),
        "50 rules": bundle(labels(50)),
        "1000 rules": bundle(labels(1000)),
        "50 rules, the last one broken": bundle([*labels(49), "false"]),
        "50 regular expressions": bundle(
            [
                f'!request.name.matches("^(windows|freebsd)-[0-9]+-{number}(-[a-z]+)*$")'
                for number in range(50)
            ]
        ),
        "50 loops over labels": bundle(
            [
                f'request.labels.all(key, key != "x{number}" && request.labels[key] != "")'
                for number in range(50)
            ]
        ),
        "10 looks into a list of 1000": bundle(
            ["objectStorage(request.uri).bucket in params.names"] * 10, f"{{names: [{names}, golden-images]}}"
        ),
        "10 bindings of 5 rules": bundle(labels(5), bindings=10),
    }


def cases() -> dict[str, Callable[[], object]]:
    """What is measured."""
    schema = load_schema(Config().services)
    make = schema.methods[CREATE].request
    now, caller = datetime(2026, 1, 2, tzinfo=UTC), Caller(address="127.0.0.1")
    given = {"env": "prod", "owner": "infra", "cost-center": "cc-42"}
    request = make(folder_id="b1gexample", name="ubuntu-24-04", uri=LINK, labels=given)
    signed = make(folder_id="b1gexample", name="ubuntu-24-04", uri=SIGNED, labels=given)
    policy_input, signed_input = (PolicyInput(CREATE, one, caller, now) for one in (request, signed))
    get = PolicyInput(GET, schema.methods[GET].request(image_id="a" * 20), caller, now)
    deciders = {name: Decider(load_bundle(files, schema)) for name, files in bundles().items()}
    shipped = deciders["bundle that ships"]
    measured: dict[str, Callable[[], object]] = {
        "decision, method without policy": lambda: shipped.decide(get),
        "decision, bundle that ships, signed link": lambda: shipped.decide(signed_input),
    }
    for name, decider in deciders.items():
        measured[f"decision, {name}"] = partial(decider.decide, policy_input)
    assert shipped.decide(policy_input).violations == shipped.decide(signed_input).violations == ()
    return measured


def main() -> None:
    """Measure and print."""
    measured = cases()
    figures: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, run in measured.items():
            for _ in range(CALLS if "1000 rules" not in name else 5):
                started = time.perf_counter_ns()
                run()
                figures[name].append((time.perf_counter_ns() - started) / 1000)
    print(f"{'':<44}{'median µs':>12}{'p99 µs':>12}")
    for name, times in figures.items():
        print(f"{name:<44}{statistics.median(times):>12.1f}{statistics.quantiles(times, n=100)[98]:>12.1f}")


if __name__ == "__main__":
    main()
