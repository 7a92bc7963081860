"""Loops over the elements of chunks, compiled by numba. Imported by ``fused`` alone.

A tile of a few thousand elements goes through everything while it is in the
processor's first-level cache: its bytes are put together, swapped, compared with the
missing rules, and added to lanes in the order that ``folding`` lays down. Each inner
loop does one thing to neighbouring elements, which is what compilers turn into vector
instructions; nothing here allows them to reorder additions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

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

logger = logging.getLogger(__name__)

WIDTH = 4096
"""Elements of a tile at most."""

LANES = 2048
"""Numbers that are added side by side; at least ``folding.LANES``."""

SUM, SQUARES, NONZERO, LEAST, GREATEST, MISSING = range(6)


def _loop(function: Callable[..., Any]) -> Any:
    """Compile on first use; keep what was compiled on disk where there is a place."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError as error:
        logger.debug("compiled loops are not kept on disk: %s", error)
        return numba.njit(nogil=True, error_model="numpy")(function)


@_loop
def _load(bits, raw, plain, is_shuffled, is_swapped, length, first, count):
    """Put ``count`` elements, from number ``first`` of all chunks on, into ``bits``."""
    size = bits.itemsize
    if is_shuffled:
        chunk = first // length
        start = chunk * length * size + first - chunk * length
        # Slices, so that the compiler knows that no index is negative.
        p0 = raw[start : start + count]
        start += length
        p1 = raw[start : start + count]
        if size == 2:
            for j in range(count):
                bits[j] = np.uint16(p0[j]) | (np.uint16(p1[j]) << np.uint16(8))
        else:
            start += length
            p2 = raw[start : start + count]
            start += length
            p3 = raw[start : start + count]
            for j in range(count):
                bits[j] = (
                    np.uint32(p0[j])
                    | (np.uint32(p1[j]) << np.uint32(8))
                    | (np.uint32(p2[j]) << np.uint32(16))
                    | (np.uint32(p3[j]) << np.uint32(24))
                )
            if size == 8:
                start += length
                p0 = raw[start : start + count]
                start += length
                p1 = raw[start : start + count]
                start += length
                p2 = raw[start : start + count]
                start += length
                p3 = raw[start : start + count]
                for j in range(count):
                    high = (
                        np.uint32(p0[j])
                        | (np.uint32(p1[j]) << np.uint32(8))
                        | (np.uint32(p2[j]) << np.uint32(16))
                        | (np.uint32(p3[j]) << np.uint32(24))
                    )
                    bits[j] |= np.uint64(high) << np.uint64(32)
    else:
        part = plain[first : first + count]
        for j in range(count):
            bits[j] = part[j]
    if is_swapped:
        _swap(bits, count)


@_loop
def _swap(bits, count):
    """Reverse the bytes of each element: halves of halves."""
    size = bits.itemsize
    eight, sixteen, half = np.uint64(8), np.uint64(16), np.uint64(32)
    for j in range(count):
        word = np.uint64(bits[j])
        word = ((word & np.uint64(0x00FF00FF00FF00FF)) << eight) | (
            (word >> eight) & np.uint64(0x00FF00FF00FF00FF)
        )
        if size > 2:
            word = ((word & np.uint64(0x0000FFFF0000FFFF)) << sixteen) | (
                (word >> sixteen) & np.uint64(0x0000FFFF0000FFFF)
            )
        if size > 4:
            word = (word << half) | (word >> half)
        bits[j] = word


@_loop
def _has_missing(x, values, nan, low, high):
    """Tell whether any element is missing: in most tiles none is, and nothing is stored."""
    found = np.uint32(0)
    for value in values:
        for j in range(len(x)):
            found += np.uint32(x[j] == value)
    if nan:
        for j in range(len(x)):
            found += np.uint32(x[j] != x[j])
    for bound in low:
        for j in range(len(x)):
            found += np.uint32(x[j] < bound)
    for bound in high:
        for j in range(len(x)):
            found += np.uint32(x[j] > bound)
    return found > 0


@_loop
def _flag(bad, x, count, values, nan, low, high):
    """Say which elements are missing, in ``bad``; give how many."""
    if len(values) == 0:
        for j in range(count):
            bad[j] = 0
    else:
        first = values[0]
        for j in range(count):
            bad[j] = x[j] == first
    for value in values[1:]:
        for j in range(count):
            bad[j] |= x[j] == value
    if nan:
        for j in range(count):
            bad[j] |= x[j] != x[j]
    for bound in low:
        for j in range(count):
            bad[j] |= x[j] < bound
    for bound in high:
        for j in range(count):
            bad[j] |= x[j] > bound
    total = np.uint32(0)
    for j in range(count):
        total += np.uint32(bad[j])
    return np.int64(total)


@_loop
def _replace(numbers, bad, instead, count):
    """Put ``instead`` where something is missing."""
    for j in range(count):
        numbers[j] = instead if bad[j] else numbers[j]


@_loop
def _deviate(deviations, x, means):
    """Say how far elements are from their means."""
    for j in range(len(x)):
        deviations[j] = np.float64(x[j]) - means[j]


@_loop
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


@_loop
def _take(what, held, x, deviations, width):
    """Take lines of ``width`` elements, the last of which may be shorter, into lanes."""
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


@_loop
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


@_loop
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


@_loop
def _copy(out, numbers, count):
    """Copy ``count`` numbers."""
    for j in range(count):
        out[j] = numbers[j]


@_loop
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


@_loop
def _gather(out, numbers, width):
    """Add up numbers that are ``width`` apart."""
    for start in range(0, len(numbers), width):
        part = numbers[start : start + width]
        for j in range(len(part)):
            out[j] += part[j]


@_loop
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
                    _load(bits, raw, plain, is_shuffled, is_swapped, length, first, count)
                    x = tile[:count]
                is_patched = _has_missing(x, values, nan, low, high)
                if is_patched:
                    if here == 0:
                        lost[:across] = 0
                    here += _flag(bad, x, count, values, nan, low, high)
                    _gather(lost, bad[:count], across)
                    if in_place:
                        _load(bits, raw, plain, False, False, length, first, count)
                        x = tile[:count]
                    _replace(bits, bad, instead, count)
                if what == SQUARES:
                    _deviate(deviations, x, means)
                    if is_patched:
                        _replace(deviations, bad, 0.0, count)
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
