"""A sink that writes to a file of JSON lines. After log rotation, the sink writes to a new file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.sinks.sink import SinkError

_MODE = 0o640
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NO_FILE = "neither a regular file nor a character device; to write to a pipe, use decision_log.type: stdout"


class FileSection(BaseModel):
    """The keys of the configuration that belong to this sink."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Path("decisions.jsonl")
    """The file: a regular one, or a character device as /dev/null."""
    durability: Literal["power", "process"] = "process"
    """`process`: a record is kept when the process crashes; `power`: also when the power fails."""


def open_file(section: FileSection) -> FileSink:
    """Return a sink that writes to the configured file.

    Raises:
        SinkError: the file cannot be opened.
    """
    try:
        return FileSink(section.path, survives_power_loss=section.durability == "power")
    except OSError as error:
        raise _cannot_open(section, error) from error


def check_file(section: FileSection) -> None:
    """Check whether the configured file can be opened or created. Nothing is created or changed.

    Raises:
        SinkError: the file cannot be opened.
    """
    folder = section.path.parent
    try:
        os.close(_open_to_append(section.path))
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise _cannot_open(section, error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _cannot_open(section, OSError(errno.EACCES, os.strerror(errno.EACCES))) from error
    except OSError as error:
        raise _cannot_open(section, error) from error


def _cannot_open(section: FileSection, error: OSError) -> SinkError:
    return SinkError(str(section.path), "path", f"cannot be opened: {error.strerror}")


class FileSink:
    """Appends records to a file of JSON lines. After log rotation moves the file, a new file is opened."""

    is_durable = True

    def __init__(self, path: Path, *, survives_power_loss: bool) -> None:
        """Open the file. The file may also be a character device, such as /dev/null.

        Args:
            path: the path of the file.
            survives_power_loss: whether each write waits until the records are on the disk.

        Raises:
            OSError: the file cannot be opened, or is neither a regular file nor a character device.
        """
        self._path = path
        self._survives_power_loss = survives_power_loss
        self._descriptor = self._open()

    def write(self, records: bytes) -> None:
        """Append records to the file. If an error occurs, truncate a regular file to its previous size.

        Raises:
            OSError: not all records could be written.
        """
        self._reopen_if_moved()
        start = os.fstat(self._descriptor).st_size
        left = memoryview(records)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            if self._survives_power_loss:
                os.fsync(self._descriptor)
        except OSError:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                os.ftruncate(self._descriptor, start)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        """Open the file, which is created if necessary, and return the file descriptor."""
        descriptor = _open_to_append(self._path, os.O_CREAT)
        os.set_blocking(descriptor, True)
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_torn(self._path):
            os.write(descriptor, b"\n")
        return descriptor

    def _reopen_if_moved(self) -> None:
        """Open the path again if the path no longer leads to the open file."""
        try:
            named, own = self._path.stat(), os.fstat(self._descriptor)
            is_own = (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)
        except FileNotFoundError:
            is_own = False
        if not is_own:
            former, self._descriptor = self._descriptor, self._open()
            os.close(former)


def _open_to_append(path: Path, further_flags: int = 0) -> int:
    """Open a file for appending, and return the file descriptor. It does not block.

    Without the flag O_NONBLOCK, opening a FIFO would block until a process reads the FIFO.

    Raises:
        OSError: the file cannot be opened, or is neither a regular file nor a character device.
    """
    try:
        descriptor = os.open(path, _FLAGS | further_flags, _MODE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a FIFO without a reader, or a socket
            raise OSError(error.errno, _NO_FILE) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        os.close(descriptor)
        raise OSError(errno.ENXIO, _NO_FILE)
    return descriptor


def _is_torn(path: Path) -> bool:
    """Return whether the last record of a file is incomplete, for example after a crash."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # no permission to read the file
        return False
