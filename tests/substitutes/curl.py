"""The options of curl that the documentation uses, for machines without curl."""

from __future__ import annotations

import argparse
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

REFUSED = 7  # curl's exit code for a connection that fails


def fetch(request: urllib.request.Request) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-o", dest="output", type=Path)
    parser.add_argument("-w", dest="write_out", default="")
    parser.add_argument("-d", dest="data")
    parser.add_argument("-X", dest="http_method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("--retry", type=int, default=0)
    parser.add_argument("--retry-delay", type=float, default=1)
    parser.add_argument("--retry-all-errors", action="store_true")
    parser.add_argument("url")
    given = parser.parse_args()
    data = None if given.data is None else given.data.encode()
    request = urllib.request.Request(given.url, data, method=given.http_method)
    for header in given.headers:
        request.add_header(*header.split(": ", 1))
    for attempt in range(given.retry + 1):
        try:
            status, headers, body = fetch(request)
        except OSError:
            if attempt == given.retry:
                return REFUSED
        else:
            if status < 500 or attempt == given.retry:
                break
        time.sleep(given.retry_delay)
    else:
        return REFUSED
    if given.output:
        given.output.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
    written = given.write_out.replace("%{http_code}", str(status)).replace("\\n", "\n")
    sys.stdout.write(re.sub(r"%header\{([\w-]+)\}", lambda one: headers.get(one[1], ""), written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
