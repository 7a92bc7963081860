"""The pieces of an index: neighbours together, with what lies between them.

The nodes of a tree of chunks lie scattered among the chunks. Where they are near each
other a request for each costs more than the chunks between, and those are mostly what
is asked for next: they are held, so as not to be read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from activecore import RangeRun, join_ranges
from activecore_s3numpy.addresses import Address
from activecore_s3numpy.client import Client
from activecore_s3numpy.errors import error_of
from activecore_s3numpy.failures import Failure
from activecore_s3numpy.replies import Ask, Reply

__all__ = ["read_pieces"]

_LEAST_PART = 64 << 10
"""How far a run is cut at most, whatever is configured: a request for a few bytes of it
costs more than all of it does, and there would be one for each of them."""


def read_pieces(
    client: Client, address: Address, ranges: Sequence[tuple[int, int]], etag: str
) -> list[bytes]:
    """Read ranges of one version of an object.

    Parameters
    ----------
    ranges
        Where each begins and ends.
    etag
        Which version.

    Returns
    -------
    list of bytes
        Fewer than were asked for where the object ends within a range.

    Raises
    ------
    SourceChanged
        The object is of another version.
    SourceNotFound
        It is gone.
    """
    runs = _runs(client, ranges)
    parts = [list(_parts(run, client.merging.most)) for run in runs]
    replies = iter(
        client.read_all([Ask(address, *part, etag) for some in parts for part in some])
    )
    pieces, along = [b""] * len(ranges), []
    for run, some in zip(runs, parts, strict=True):
        mine = [_reply(client, address, reply) for reply in islice(replies, len(some))]
        data = b"".join(memoryview(reply.data) for reply in mine)
        if run.size > run.sizes.sum():
            along.append((run.start, data))
        begins = (run.offsets - run.start).tolist()
        for position, begin, size in zip(
            run.positions.tolist(), begins, run.sizes.tolist(), strict=True
        ):
            pieces[position] = data[begin : begin + size]
    if along:
        client.read_cache.put(address, etag, along)
    return pieces


def _runs(client: Client, ranges: Sequence[tuple[int, int]]) -> list[RangeRun]:
    """Join neighbours, unless what comes to be held is more than may be."""
    starts, stops = np.array(ranges, dtype=np.int64).reshape(-1, 2).T
    sizes, positions = stops - starts, np.arange(len(ranges))
    runs = join_ranges(starts, sizes, positions, gap=client.merging.gap)
    held = sum(run.size for run in runs if run.size > run.sizes.sum())
    if held > client.merging.along:
        return join_ranges(starts, sizes, positions, gap=0)
    return runs


def _parts(run: RangeRun, most: int) -> Iterator[tuple[int, int]]:
    """Cut a run into parts of one size, to be read in parallel."""
    count = max(1, -(-run.size // max(most, _LEAST_PART)))
    size = max(1, -(-run.size // count))
    for start in range(run.start, max(run.stop, run.start + 1), size):
        yield start, max(start + 1, min(run.stop, start + size))


def _reply(client: Client, address: Address, answer: Reply | Failure) -> Reply:
    """Give a reply, or raise what stands in its place."""
    if isinstance(answer, Failure):
        raise error_of(answer, address, client.endpoints)
    return answer
