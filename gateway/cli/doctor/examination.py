"""What the checks examine: a configuration, and how long one step may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from gateway.cli.doctor.report import CheckReport
    from gateway.config import Config
    from gateway.config.origins import Origins


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What the checks examine.

    Attributes:
        config: the configuration.
        origins: the origins of its values.
        file: the configuration file; None if there is none.
        environment: the environment variables.
        step_s: the maximum time of one step, such as one connection, in seconds.
        mounts: the file in which the system lists the mounted file systems.
        locks: the file in which the system lists the locked files.
    """

    config: Config
    origins: Origins
    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    step_s: float = 3.0
    mounts: Path = Path("/proc/self/mountinfo")
    locks: Path = Path("/proc/locks")


Check: TypeAlias = "Callable[[Examination, CheckReport], Coroutine[Any, Any, None]]"
"""A check. It adds its results to a report, and raises no errors for what it examines."""
