"""How long a decision takes: median and p99 in microseconds, all cases interleaved in one run."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.bundles import read_bundle
from gateway.config import Config
from gateway.policy import Decider, load_bundle
from gateway.schema import load_schema
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 40
CALLS = 100
CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
GET = "yandex.cloud.baremetal.v1alpha.ImageService/Get"


def rules(count: int) -> dict[str, str]:
    """Return a bundle of one policy with so many rules."""
    written = "".join(
        f"    - {{name: r{number}, assert: '!(\"forbidden-{number}\" in request.labels)'}}\n"
        for number in range(count)
    )
    return {
        "bundle.yaml": "apiVersion: baremetal-gateway/v1\nkind: Policy\nmetadata: {name: many}\nspec:\n"
        f"  methods: [{CREATE}]\n  rules:\n{written}---\n"
        "apiVersion: baremetal-gateway/v1\nkind: Binding\nmetadata: {name: b}\nspec: {policy: many}\n"
    }


def cases() -> dict[str, Callable[[], object]]:
    """Return what is measured."""
    schema = load_schema(Config().services)
    now = datetime.now(UTC)
    request = schema.methods[CREATE].request(
        folder_id="b1gexample",
        name="ubuntu-24-04",
        uri="https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso?X-Amz-Signature=0123456789abcdef",
        labels={"env": "prod", "owner": "infra", "cost-center": "cc-42"},
    )
    shipped = Decider(load_bundle(read_bundle(Path("policies")), schema))
    fifty = Decider(load_bundle(rules(50), schema))
    thousand = Decider(load_bundle(rules(1000), schema))
    validator = Validator(schema)
    get = schema.methods[GET].request(image_id="a" * 20)
    return {
        "validation of a create": lambda: validator.validate(request),
        "decision, bundle that ships": lambda: shipped.decide(CREATE, request, now),
        "decision, 50 rules": lambda: fifty.decide(CREATE, request, now),
        "decision, 1000 rules": lambda: thousand.decide(CREATE, request, now),
        "decision, method without policy": lambda: shipped.decide(GET, get, now),
    }


def main() -> None:
    """Measure and print."""
    measured = cases()
    figures: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, run in measured.items():
            for _ in range(CALLS if "1000" not in name else 5):
                started = time.perf_counter_ns()
                run()
                figures[name].append((time.perf_counter_ns() - started) / 1000)
    print(f"{'':<34}{'median µs':>12}{'p99 µs':>12}")
    for name, times in figures.items():
        print(f"{name:<34}{statistics.median(times):>12.1f}{statistics.quantiles(times, n=100)[98]:>12.1f}")


if __name__ == "__main__":
    main()
