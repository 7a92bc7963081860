"""Loops over the elements of chunks, compiled by numba. Imported by ``fused`` alone.

A tile of a few thousand elements goes through everything while it is in the
processor's first-level cache: its bytes are put together, swapped, compared with the
missing rules, and added to lanes in the order that ``folding`` lays down. Each inner
loop does one thing to neighbouring elements, which is what compilers turn into vector
instructions; nothing here allows them to reorder additions.
"""

from __future__ import annotations

import numpy as np

from activecore.compiled import loop
from activecore.engines.tiles import flag, has_missing, load, replace

__all__ = [
    "GREATEST",
    "LEAST",
    "MISSING",
    "NONZERO",
    "SQUARES",
    "SUM",
    "WIDTH",
    "reduce_rows",
]

WIDTH = 4096
"""Elements of a tile at most."""

LANES = 2048
"""Numbers that are added side by side; at least ``folding.LANES``."""

SUM, SQUARES, NONZERO, LEAST, GREATEST, MISSING = range(6)


@loop
def _deviate(deviations, x, means):
    """Say how far elements are from their means."""
    for j in range(len(x)):
        deviations[j] = np.float64(x[j]) - means[j]


@loop
def _begin(what, held, x, deviations):
    """Put a line of elements into lanes."""
    if what == SQUARES:
        for j in range(len(x)):
            held[j] = deviations[j] * deviations[j]
    elif what == NONZERO:
        for j in range(len(x)):
            held[j] = x[j] != 0
    else:
        for j in range(len(x)):
            held[j] = x[j]


@loop
def _take(what, held, x, deviations, width):
    """Take lines of ``width`` elements into lanes. The last may be shorter."""
    for start in range(0, len(x), width):
        line = x[start : start + width]
        if what == SUM:
            for j in range(len(line)):
                held[j] += line[j]
        elif what == SQUARES:
            deviation = deviations[start : start + width]
            for j in range(len(line)):
                held[j] += deviation[j] * deviation[j]
        elif what == NONZERO:
            for j in range(len(line)):
                held[j] += line[j] != 0
        elif what == LEAST:
            for j in range(len(line)):
                if line[j] < held[j] or line[j] != line[j]:
                    held[j] = line[j]
        elif what == GREATEST:
            for j in range(len(line)):
                if line[j] > held[j] or line[j] != line[j]:
                    held[j] = line[j]


@loop
def _join(what, held, more, count):
    """Take lanes into lanes."""
    if what == LEAST:
        for j in range(count):
            if more[j] < held[j] or more[j] != more[j]:
                held[j] = more[j]
    elif what == GREATEST:
        for j in range(count):
            if more[j] > held[j] or more[j] != more[j]:
                held[j] = more[j]
    else:
        for j in range(count):
            held[j] += more[j]


@loop
def _gather_lanes(what, total, lanes, narrow, kept):
    """Bring lanes down to one row, as ``folding.joined`` does."""
    left = lanes
    if left > narrow:
        line = narrow * kept
        for start in range(line, left * kept, line):
            _join(what, total, total[start:], min(line, left * kept - start))
        left = narrow
    if kept == 1 and left == 64 and what in (SUM, SQUARES):
        # The ordinary case, with numbers that the compiler can count on.
        for j in range(32):
            total[j] += total[32 + j]
        for j in range(16):
            total[j] += total[16 + j]
        for j in range(8):
            total[j] += total[8 + j]
        for j in range(4):
            total[j] += total[4 + j]
        total[0] = (total[0] + total[2]) + (total[1] + total[3])
        left = 1
    while left > 1:
        half = 1
        while 2 * half < left:
            half *= 2
        _join(what, total, total[half * kept :], (left - half) * kept)
        left = half


@loop
def _copy(out, numbers, count):
    """Copy ``count`` numbers."""
    for j in range(count):
        out[j] = numbers[j]


@loop
def _repeat(out, few, width, count):
    """Fill ``count`` places with ``width`` numbers, again and again."""
    if width == 1:
        for j in range(count):
            out[j] = few[0]
        return
    for start in range(0, count, width):
        part = out[start : start + width]
        for j in range(len(part)):
            part[j] = few[j]


@loop
def _gather(out, numbers, width):
    """Add up numbers that are ``width`` apart."""
    for start in range(0, len(numbers), width):
        part = numbers[start : start + width]
        for j in range(len(part)):
            out[j] += part[j]


@loop
def reduce_rows(
    what,
    out,
    gone,
    raw,
    plain,
    elements,
    is_shuffled,
    is_swapped,
    length,
    shape,
    lanes,
    narrow,
    segment,
    rules,
    instead,
    mean,
    tile,
    bits,
    held,
    total,
):
    """Reduce rows; give how many elements are missing.

    Parameters
    ----------
    what
        ``SUM`` and so on.
    out, gone
        Shape (many, kept): the values, in the dtype in which they are held, and how
        many elements behind each are missing (zeros on entry).
    raw, plain
        The chunks' bytes, one after another, and the same as unsigned integers of an
        element's size (of no length where the bytes are shuffled).
    elements
        The same as elements, to be read where they lie; of no length where they have
        to be loaded first.
    is_shuffled, is_swapped
        How bytes make elements.
    length
        Elements of a chunk.
    shape, lanes, narrow, segment
        As in ``folding.Rows``.
    rules
        Missing: values, whether NaN is one, and least and greatest valid values as
        arrays of length one or none; in the elements' dtype.
    instead
        The bits of what stands for a missing element.
    mean
        Shape (many, kept), for ``SQUARES``.
    tile, bits
        ``WIDTH`` elements, and the same memory as unsigned integers.
    held, total
        ``LANES`` lanes each.
    """
    values, nan, low, high = rules
    many, rows, kept = shape
    in_place = len(elements) > 0
    if rows <= lanes:
        # All rows are in the lanes at once: bringing those down is all there is to do.
        lanes = narrow
    # As wide as elements, so that loops over both have the same number of lanes.
    bad = np.empty_like(bits)
    lost = np.empty(len(tile), np.int64)
    means = np.empty(len(tile), np.float64)
    deviations = np.empty(len(tile), np.float64)
    width = min(lanes * kept, len(held))
    # Lines that are looked at together; of one that is longer than a tile, a part.
    together = len(tile) // width if width == lanes * kept else 1
    missing = 0
    for number in range(many):
        for start in range(0, lanes * kept, width):
            # With more than one row in the lanes, they are all in the tile.
            across = min(width, lanes * kept - start)
            if what == SQUARES:
                _repeat(means, mean[number, start:], min(kept, across), len(tile))
            here = reached = 0
            row = 0
            while row < rows:
                in_segment = row % segment
                end = min(rows, row + together * lanes, row - in_segment + segment)
                count = min(across * together, (end - row) * kept - start)
                first = (number * rows + row) * kept + start
                if in_place:
                    x = elements[first : first + count]
                else:
                    load(
                        bits, raw, plain, is_shuffled, is_swapped, length, first, count
                    )
                    x = tile[:count]
                is_patched = has_missing(x, values, nan, low, high)
                if is_patched:
                    if here == 0:
                        lost[:across] = 0
                    here += flag(bad, x, count, values, nan, low, high)
                    _gather(lost, bad[:count], across)
                    if in_place:
                        load(bits, raw, plain, False, False, length, first, count)
                        x = tile[:count]
                    replace(bits, bad, instead, count)
                if what == SQUARES:
                    _deviate(deviations, x, means)
                    if is_patched:
                        replace(deviations, bad, 0.0, count)
                if what != MISSING:
                    begun = 0
                    if in_segment == 0:
                        if row == segment:
                            _copy(total, held, across)
                        elif row > segment:
                            _join(what, total, held, across)
                        begun = reached = min(across, count)
                        _begin(what, held, x[:begun], deviations)
                    _take(what, held, x[begun:], deviations[begun:], across)
                row = end
            if what != MISSING:
                last = held
                if rows > segment:
                    _join(what, total, held, reached)
                    last = total
                _gather_lanes(what, last, lanes, narrow, kept)
                _copy(out[number, start:], last, min(kept, across))
            if here > 0:
                missing += here
                _gather(gone[number, start:], lost[:across], min(kept, across))
    return missing
