"""Zlib streams in one compiled loop. Imported where ``activecore[fast]`` is used.

Two kilobytes are inflated in three microseconds, of which Python and its lock, which
every call lets go of and waits for, would make six; threads then hinder one another.
The loop calls the functions of libdeflate that the package ``deflate`` brings along.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from typing import Any

import llvmlite.binding
import numpy as np
from numba import types
from numpy.typing import NDArray

from activecore.codecs.memory import Bytes
from activecore.compiled import loop

__all__ = ["inflate"]

# Pointers and sizes are passed alike on every machine that NumPy knows.
_FUNCTIONS = {
    "libdeflate_alloc_decompressor": types.uintp(),
    "libdeflate_free_decompressor": types.void(types.uintp),
    "libdeflate_zlib_decompress_ex": types.int32(*(types.uintp,) * 7),
}


def _found() -> list[Any]:
    """Make the library's functions known to the compiler.

    Raises
    ------
    ImportError
        The package is not installed.
    AttributeError
        This build of it hides them.
    """
    path = find_spec("deflate._deflate")
    if path is None or path.origin is None:
        raise ImportError("the package deflate is not installed")
    library = ctypes.CDLL(path.origin)
    found = []
    for name, signature in _FUNCTIONS.items():
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        llvmlite.binding.add_symbol(name, address)
        found.append(types.ExternalFunction(name, signature))
    return found


_alloc, _free, _decompress = _found()


@loop
def _inflate(
    is_other: NDArray[np.bool_],
    addresses: NDArray[np.uintp],
    sizes: NDArray[np.int64],
    out: int,
    nbytes: int,
) -> None:
    decompressor = _alloc()
    if decompressor == 0:
        is_other[:] = True
        return
    ends = np.zeros(2, np.uintp)
    end_in = np.uintp(ends.ctypes.data)
    end_out = np.uintp(end_in + ends.itemsize)
    for number in range(len(addresses)):
        result = _decompress(
            decompressor,
            addresses[number],
            np.uintp(sizes[number]),
            np.uintp(out + number * nbytes),
            np.uintp(nbytes),
            end_in,
            end_out,
        )
        is_right = result == 0 and ends[0] == sizes[number] and ends[1] == nbytes
        is_other[number] = not is_right
    _free(decompressor)


def inflate(
    addresses: NDArray[np.uintp], sizes: NDArray[np.int64], out: Bytes
) -> NDArray[np.bool_]:
    """Inflate zlib streams to the rows of ``out``, without Python's lock.

    Parameters
    ----------
    addresses, sizes
        Where in memory each stream lies, and how many bytes it has.
    out
        Shape (streams, bytes of each), contiguous.

    Returns
    -------
    ndarray
        Which streams did not decode to exactly their row, or have bytes behind them:
        whatever those rows hold now. Checksums are verified.
    """
    is_other = np.empty(len(addresses), np.bool_)
    _inflate(is_other, addresses, sizes, out.ctypes.data, out.shape[-1])
    return is_other
