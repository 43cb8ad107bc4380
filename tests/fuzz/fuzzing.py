"""schemathesis before a running gateway: how it is started, and what it has to find nothing of."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.conftest import GOOD_IMAGE, IMAGES
from tests.fuzz.document import sharpen
from tests.processes import without_coverage

HERE = Path(__file__).parent
DEMO = ("demo", "--delay", "0", "--log-level", "ERROR")
_COUNT = re.compile(
    r'^http_server_request_duration_seconds_count\{.*http_response_status_code="(\d+)".*\} ([0-9.e+]+)$',
    re.MULTILINE,
)
# Ours stands for positive_data_acceptance; and who may call is the cloud's to say.
_CHECKS_LEFT_OUT = "positive_data_acceptance,ignored_auth"


def prepare(rest: str, admin: str, target: Path, images: int) -> None:
    """Make images to meet, and write the document to fuzz by.

    Args:
        rest: address of the REST listener.
        admin: address of the admin listener.
        target: file to write.
        images: how many to make.
    """
    made = [_create(rest, f"known-{number}") for number in range(images)]
    ids = {
        "imageId": [one["metadata"]["imageId"] for one in made],
        "operationId": [one["id"] for one in made],
    }
    document = json.loads(_get(f"http://{admin}/openapi.json"))
    target.write_text(json.dumps(sharpen(document, ids)), encoding="utf-8")


def command(document: Path, rest: str, *, seed: int, examples: int, phases: str) -> list[str]:
    """Return the command line of one round.

    Args:
        document: as prepare wrote it.
        rest: address of the REST listener.
        seed: of all that is made up.
        examples: at most so many an operation.
        phases: of schemathesis.
    """
    return [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(document),
        f"--url=http://{rest}",
        f"--seed={seed}",
        f"--max-examples={examples}",
        f"--phases={phases}",
        f"--exclude-checks={_CHECKS_LEFT_OUT}",
        "--header=Authorization: Bearer fuzz",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--warnings=off",
        "--generation-database=none",
        "--no-color",
    ]


def environment() -> dict[str, str]:
    """Return the environment of a round."""
    return {
        **without_coverage(),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "PYTHONPATH": str(HERE.parent.parent),
    }


def answers(admin: str) -> dict[int, int]:
    """Return how many answers the gateway has given, by their status."""
    counts: dict[int, int] = {}
    for status, count in _COUNT.findall(_get(f"http://{admin}/metrics").decode()):
        counts[int(status)] = counts.get(int(status), 0) + int(float(count))
    return counts


def _create(rest: str, name: str) -> Any:
    request = urllib.request.Request(
        f"http://{rest}{IMAGES}",
        json.dumps({**GOOD_IMAGE, "name": name}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())
