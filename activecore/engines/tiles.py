"""Loops that fetch a tile of elements, and say which of them are missing.

Compiled by numba, and imported by ``loops`` alone.
"""

from __future__ import annotations

import numpy as np

from activecore.compiled import loop

__all__ = ["flag", "has_missing", "load", "replace"]


@loop
def load(bits, raw, plain, is_shuffled, is_swapped, length, first, count):
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


@loop
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


@loop
def has_missing(x, values, nan, low, high):
    """Tell whether any element is missing. In most tiles none is: nothing is stored."""
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


@loop
def flag(bad, x, count, values, nan, low, high):
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


@loop
def replace(numbers, bad, instead, count):
    """Put ``instead`` where something is missing."""
    for j in range(count):
        numbers[j] = instead if bad[j] else numbers[j]
