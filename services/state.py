"""What runs, and where: the file that tests and demos read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.daemon import Daemon
from services.errors import ServicesError
from services.places import state_directory

__all__ = ["S3", "Reductionist", "Services", "load", "save"]


@dataclass(frozen=True)
class S3:
    """An S3 server, and its only user."""

    endpoint_url: str
    key: str
    secret: str = field(repr=False)
    region: str
    buckets: tuple[str, ...]


@dataclass(frozen=True)
class Reductionist:
    """A Reductionist server."""

    url: str


@dataclass(frozen=True)
class Services:
    """Both servers and their processes."""

    s3: S3
    reductionist: Reductionist
    daemons: Mapping[str, Daemon]

    def running(self) -> bool:
        """Tell whether every process is still the one that was started."""
        return all(daemon.process() is not None for daemon in self.daemons.values())


def state_file() -> Path:
    """Where it is written."""
    return state_directory() / "services.json"


def load() -> Services:
    """Say what runs.

    Raises
    ------
    ServicesError
        If nothing does; the message says how to start it.
    """
    services = recorded()
    if services is None:
        raise ServicesError("the servers do not run: run make services first")
    if not services.running():
        raise ServicesError("a server has ended: run make services again")
    return services


def recorded() -> Services | None:
    """Give what was started last and not stopped, whether or not it still runs."""
    try:
        document: dict[str, Any] = json.loads(state_file().read_text())
    except FileNotFoundError:
        return None
    s3 = document["s3"]
    return Services(
        s3=S3(**(s3 | {"buckets": tuple(s3["buckets"])})),
        reductionist=Reductionist(**document["reductionist"]),
        daemons={name: Daemon(**one) for name, one in document["daemons"].items()},
    )


def save(services: Services) -> None:
    """Write it, readable by its owner only: the secret is in it."""
    path = state_file()
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(services), file, indent=2)
    aside.replace(path)
