"""The functional form, as clients of PyActiveStorage call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from activecore import ChunkCall, ChunkError
from activecore_posix.backend import PosixBackend

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["reduce_chunk"]


def reduce_chunk(
    rfile: str | os.PathLike[str],
    offset: int,
    size: int,
    compression: Any,
    filters: Iterable[Any] | None,
    missing: Sequence[Any] | None,
    dtype: DTypeLike,
    shape: Sequence[int],
    order: str,
    chunk_selection: object,
    method: str | Callable[..., Any] | None = None,
    *,
    axis: int | Sequence[int] | None = None,
) -> tuple[Any, NDArray[Any] | None]:
    """Read one chunk of a file, decode it and reduce the part of it that is wanted.

    Parameters
    ----------
    rfile, offset, size
        Path of the file, and where in it the chunk lies, in bytes; size -1: the file.
    compression, filters
        numcodecs codecs, the filters in the order in which a writer applies them;
        None: there is none.
    missing
        None, or (_FillValue, missing_value, valid_min, valid_max), each None, a
        number, or (the first two) several. All of them hold at once; zero counts.
    dtype, shape, order
        Of the decoded chunk; order ``"C"`` or ``"F"``.
    chunk_selection
        One item per dimension, as NumPy indexes one dimension at a time; an integer
        means the slice of length one.
    method
        Name of a reduction or the NumPy function; any other function that takes
        ``axis`` and ``keepdims`` is applied to the selected elements. None: the
        elements themselves.
    axis
        What to reduce; None: everything.

    Returns
    -------
    value
        Reduced axes at length one; sums and means accumulate in 64 bits. Masked where
        nothing is left.
    count
        Elements behind each value that are not missing; None without a method.

    Raises
    ------
    ChunkReadError, ChunkDecodeError, ChunkNotFound
        The bytes cannot be read; they are not what the arguments say; no such file.
    SelectionError, ConfigError
        An argument does not fit the chunk, or makes no sense.
    UnsupportedReduction, UnsupportedCodec, UnsupportedDtype
        There is no such reduction; nothing here decodes that; these are no numbers.
    """
    call = ChunkCall.of(
        os.fspath(rfile),
        offset,
        size,
        compression,
        filters,
        missing,
        dtype,
        shape,
        order,
        chunk_selection,
        method,
        axis=axis,
    )
    try:
        return call.answer(PosixBackend().reduce_chunk(call.request))
    except ChunkError as error:
        error.source, error.offset, error.size = call.request.source, offset, size
        raise
