"""The demo."""

from __future__ import annotations

import json
import signal
import urllib.request

from tests.conftest import GOOD_IMAGE, IMAGES
from tests.processes import serving


def test_demo_answers_the_curl_line_that_it_prints() -> None:
    with serving("demo", "--delay", "0") as (process, rest, _):
        request = urllib.request.Request(
            f"http://{rest}{IMAGES}",
            json.dumps(GOOD_IMAGE).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["metadata"]["imageId"]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
    assert f"curl -X POST http://{rest}{IMAGES}" in out
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines] == ["started", "responded", "stopping"]
    (record,) = [json.loads(line) for line in out.splitlines() if line.startswith('{"kind"')]
    assert (record["decision"], record["caller"]["address"]) == ("allow", "127.0.0.1")
