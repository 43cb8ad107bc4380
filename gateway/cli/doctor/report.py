"""The results of the checks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.quoting import escape_line
from gateway.redaction import redact_text

_MAX_PEER_TEXT = 300


class CheckStatus(StrEnum):
    """The status of what was checked.

    Attributes:
        OK: it works.
        FINDING: it does not work, or it will soon not work.
        SKIPPED: it could not be checked. This is no finding.
    """

    OK = "ok"
    FINDING = "finding"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One result of a check.

    Attributes:
        check: the name of the check, such as `upstreams`.
        subject: what was checked, such as the name of an upstream or the path of a file.
        status: the status.
        message: what was found. It holds no secret.
        fix: how to fix the finding; empty for the other statuses.
    """

    check: str
    subject: str
    status: CheckStatus
    message: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the result as JSON values."""
        return {
            "check": self.check,
            "subject": self.subject,
            "status": self.status,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(slots=True)
class CheckReport:
    """The results of one check, in the order in which they were found.

    Attributes:
        check: the name of the check.
        results: the results until now. A check that does not end in time keeps its results.
    """

    check: str
    results: list[CheckResult] = field(default_factory=list)

    def ok(self, subject: str, message: str) -> None:
        """Add what works."""
        self._add(subject, CheckStatus.OK, message)

    def skip(self, subject: str, message: str) -> None:
        """Add what could not be checked, and the reason."""
        self._add(subject, CheckStatus.SKIPPED, message)

    def find(self, subject: str, message: str, fix: str) -> None:
        """Add a finding, and how to fix it."""
        self._add(subject, CheckStatus.FINDING, message, fix)

    def _add(self, subject: str, status: CheckStatus, message: str, fix: str = "") -> None:
        result = CheckResult(
            check=self.check,
            subject=escape_line(subject),
            status=status,
            message=escape_line(message),
            fix=escape_line(fix),
        )
        self.results.append(result)


def describe_os_error(error: OSError) -> str:
    """Return the reason of an error of the system. The texts of asyncio contain the address again."""
    number = error.errno or 0
    return (
        os.strerror(number) if number > 0 else error.strerror or "no address of the host accepts a connection"
    )


def quote_peer(text: str) -> str:
    """Return a text of a peer or a library on one line, without secrets, and cut to a readable length."""
    return escape_line(redact_text(text.strip(), _MAX_PEER_TEXT))
