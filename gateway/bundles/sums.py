"""The list of checksums `bundle.sum`. It contains the name and the hash of each file of a bundle.

The list has the format of the tool sha256sum, so the command `sha256sum --check bundle.sum` can check the
files. See https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html. A line has 64
hex digits, two spaces and the name of a file. If the name contains a backslash or a line break, this
character is escaped, and the line starts with a backslash.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position
from gateway.policy.bundle_files import SUMS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.policy.bundle_files import BundleFiles

_LINE = re.compile(r"(?P<escaped>\\?)(?P<hash>[0-9a-fA-F]{64}) [ *](?P<name>.+)")
_ESCAPED = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_ESCAPES = {text: escape for escape, text in _ESCAPED.items()}


def write_sums(texts: Mapping[str, str]) -> str:
    """Return the text of the list of checksums. The files are sorted by name.

    Args:
        texts: a mapping from the name of each file of the bundle to the text of the file.
    """
    return "".join(_to_line(name, _hash(texts[name])) for name in sorted(texts))


def check_sums(files: BundleFiles) -> None:
    """Compare the files of a bundle with the list of checksums of the bundle.

    A bundle without a list of checksums is accepted.

    Raises:
        FaultsError: a file is missing, altered or not listed, or the list is malformed.
    """
    if files.sums is None:
        return
    sums, faults = parse_sums(files.sums, SUMS_NAME)
    faults = faults or list(_differences(sums, {name: _hash(text) for name, text in files.texts.items()}))
    if faults:
        raise FaultsError(faults)


def parse_sums(text: str, file: str) -> tuple[dict[str, str], list[Fault]]:
    """Parse a list of checksums, and return the hashes and the faults of the list.

    The hashes are a mapping from the name of each listed file to the hash of the file in hex.

    Args:
        text: the text of the list.
        file: the name of the list in error messages.
    """
    sums: dict[str, str] = {}
    faults: list[Fault] = []
    # splitlines() is not used, because it also splits at characters that file names may contain.
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        at = Position(file, number, 1)
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            faults.append(Fault(at, "", "a line is 64 hex digits, two spaces and the name of a file"))
            continue
        name = _unescape(match["name"]) if match["escaped"] else match["name"]
        name = name.removeprefix("./")
        if name in sums:
            faults.append(Fault(at, "", f"{name} is listed a second time; keep one"))
        sums[name] = match["hash"].lower()
    if not sums and not faults:
        advice = "write it again with `policy hash --write`, or delete it"
        faults.append(Fault(Position(file), "", f"lists no files; {advice}"))
    return sums, faults


def _differences(listed: Mapping[str, str], present: Mapping[str, str]) -> Iterator[Fault]:
    for name in sorted(listed.keys() | present.keys()):
        if listed.get(name) == present.get(name):
            continue
        if name not in present:
            reason = f"is listed in {SUMS_NAME}, and the bundle has no such YAML file; restore it"
        elif name not in listed:
            reason = f"is not listed in {SUMS_NAME}; delete it"
        else:
            reason = f"was altered: its hash is not the one in {SUMS_NAME}; restore it"
        yield Fault(Position(name), "", f"{reason}, or write the list again with `policy hash --write`")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _to_line(name: str, digest: str) -> str:
    escaped = re.sub(r"[\\\n\r]", lambda match: _ESCAPES[match[0]], name)
    prefix = "" if escaped == name else "\\"
    return f"{prefix}{digest}  {escaped}\n"


def _unescape(name: str) -> str:
    return re.sub(r"\\[\\nr]", lambda match: _ESCAPED[match[0]], name)
