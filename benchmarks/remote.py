"""Servers for the suites of remote files, and what passes between them and clients."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.errors import ServicesError
from services.proxy import Link, Proxy
from services.state import S3, Services, load

__all__ = ["FAR", "Gate", "credentials", "gate", "mean_of", "servers", "why_not"]

FAR = Link(round_trip=0.020)
"""A store in the same country."""


def servers() -> Services:
    """Say where the servers are; end with one line if they do not run."""
    reason = why_not()
    if reason is not None:
        sys.exit(f"benchmarks: {reason}")
    return load()


def why_not() -> str | None:
    """Say why there are no servers, or None."""
    try:
        load()
    except ServicesError as error:
        return str(error)
    return None


def credentials(s3: S3, endpoint_url: str | None = None) -> dict[str, Any]:
    """Give what a client needs to know, in s3fs's spelling."""
    return {
        "key": s3.key,
        "secret": s3.secret,
        "endpoint_url": endpoint_url or s3.endpoint_url,
    }


class Gate:
    """A contender's own way to the servers: what it asks of them is counted."""

    def __init__(self, *proxies: Proxy) -> None:
        self._proxies = proxies

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the contender finds each server."""
        return tuple(proxy.url for proxy in self._proxies)

    def meter(self) -> Mapping[str, float]:
        """Give what passed since it was asked last."""
        seen = [proxy.traffic for proxy in self._proxies]
        for proxy in self._proxies:
            proxy.forget()
        return {
            "requests": sum(traffic.requests for traffic in seen),
            "rounds": sum(traffic.rounds for traffic in seen),
            "MB down": sum(traffic.down for traffic in seen) / 1e6,
            "MB up": sum(traffic.up for traffic in seen) / 1e6,
        }


def gate(stack: ExitStack, link: Link, *servers: str) -> Gate:
    """Open a way to each of these servers that behaves like a link."""
    return Gate(*(stack.enter_context(Proxy(server, link)) for server in servers))


def mean_of(path: Path) -> list[float]:
    """Give the mean of ``tas`` by netCDF4-python and NumPy, in float64."""
    with netCDF4.Dataset(path) as ds:
        tas = ds["tas"]
        total, count = 0.0, 0
        for start in range(0, tas.shape[0], 40):
            block = np.ma.asarray(tas[start : start + 40])
            total += float(block.sum(dtype="f8"))
            count += int(block.count())
    return [total / count]
