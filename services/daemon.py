"""Processes that outlive the one that starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from services.errors import ServicesError
from services.places import tail

__all__ = ["Daemon", "free_port", "launch", "stop"]

START_LIMIT = 30.0
"""Seconds in which a server must answer."""
STOP_LIMIT = 5.0
"""Seconds that a server gets to end by itself."""
_PAUSE = 0.05
_CLOCK_ERROR = 2.0


@dataclass(frozen=True)
class Daemon:
    """A process, told from any later one that gets the same number."""

    pid: int
    created: float
    """When it started: seconds since 1970, as the operating system says."""
    program: str
    """The path of what it runs."""

    def process(self) -> psutil.Process | None:
        """Give the process, or None if it has ended."""
        try:
            process = psutil.Process(self.pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            # The system's account of it moves a little when the clock is set.
            same = abs(process.create_time() - self.created) < _CLOCK_ERROR
            same = same and process.exe() == self.program
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or not ours
            return None
        return process if same and not ended else None


def free_port() -> int:
    """Give a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    answers: Callable[[], bool],
) -> Daemon:
    """Start a server in a session of its own, and wait until it answers.

    Parameters
    ----------
    environment
        Added to this process's own.
    log
        Takes what it prints.
    answers
        Asked again and again; must not take long itself.

    Raises
    ------
    ServicesError
        If it ends, or does not answer in time; the end of its log is in the message.
    """
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C here is not meant for it
        )
    program = str(Path(command[0]).resolve())
    name = Path(program).name
    daemon: Daemon | None = None
    limit = time.monotonic() + START_LIMIT
    try:
        daemon = Daemon(child.pid, psutil.Process(child.pid).create_time(), program)
        while not answers():
            if child.poll() is not None:
                raise ServicesError(_story(f"{name} ended at once", child, log))
            if time.monotonic() > limit:
                raise ServicesError(
                    _story(f"{name} does not answer in {START_LIMIT:.0f} s", child, log)
                )
            time.sleep(_PAUSE)
        # Somebody else may be answering on that port.
        if child.poll() is not None:
            raise ServicesError(_story(f"{name} ended at once", child, log))
    except BaseException:
        child.kill()
        child.wait()
        raise
    child.returncode = 0  # it is meant to go on, which Popen would warn of
    return daemon


def stop(daemon: Daemon) -> bool:
    """End a process and wait for its end; tell whether it was still there."""
    process = daemon.process()
    if process is None:
        return False
    for end in (process.terminate, process.kill):
        with suppress(psutil.NoSuchProcess):
            end()
        limit = time.monotonic() + STOP_LIMIT
        while time.monotonic() < limit:
            with suppress(psutil.TimeoutExpired):
                process.wait(_PAUSE)
                return True
            if daemon.process() is None:  # ended, and its parent does not ask for it
                return True
    raise ServicesError(f"process {daemon.pid} cannot be ended")


def _story(what: str, child: subprocess.Popen[bytes], log: Path) -> str:
    status = child.poll()
    ended = "" if status is None else f" (status {status})"
    return f"{what}{ended}; the end of {log}:\n{tail(log)}"
