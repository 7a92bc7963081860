"""A pipeline of codecs undone, last codec first.

The decoded size is known. It is followed forward through the codecs that change sizes
in a known way (checksums, filters of arrays), up to the last compressor, so that each
decoder is told what to expect.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from activecore.codecs.memory import Bytes, Room, as_bytes
from activecore.codecs.registered import registered_step
from activecore.codecs.step import Step
from activecore.codecs.table import FACTORIES
from activecore.encoded import Buffer, EncodedChunks
from activecore.errors import ChunkDecodeError, UnsupportedCodec
from activecore.model import Codec

__all__ = ["decode", "decode_all", "decode_into", "decode_somewhere", "unsupported"]


@lru_cache(maxsize=256)
def unsupported(codecs: tuple[Codec, ...]) -> str | None:
    """Say why chunks with these codecs cannot be decoded here, or None.

    Reads no data, and is cheap: ask before anything is read.

    Parameters
    ----------
    codecs
        The pipeline, in encode order.

    Returns
    -------
    str or None
        Names the first codec that cannot be decoded: because nothing here knows it or
        its configuration, or because a package is not installed, and then which.
    """
    try:
        _pipeline(codecs)
    except UnsupportedCodec as error:
        return str(error)
    return None


def decode_into(
    codecs: tuple[Codec, ...], encoded: Buffer, out: Bytes, *, limit: int
) -> None:
    """Decode a chunk to exactly the bytes of ``out``.

    Safe to call from several threads at once, each with memory of its own.

    Parameters
    ----------
    codecs
        The pipeline, in encode order.
    encoded
        The chunk as it is stored. Not written to, not kept.
    out
        Where the decoded bytes belong, one dimension, contiguous. After an error,
        what it holds has no meaning.
    limit
        Bytes that an intermediate result may have where nothing else says how many.

    Raises
    ------
    ChunkDecodeError
        The chunk is damaged, or holds more or fewer bytes. In one line that names the
        codec, and before memory is taken for what is too much.
    UnsupportedCodec
        A codec is not decoded here.
    """
    decoded = decode_somewhere(codecs, encoded, out, limit=limit)
    if decoded is not out:
        out[...] = decoded


def decode_somewhere(
    codecs: tuple[Codec, ...], encoded: Buffer, out: Bytes, *, limit: int
) -> Bytes:
    """Do as ``decode_into``, but leave the bytes where they happen to be.

    That is ``out``, or memory that a library took for them, or ``encoded`` itself:
    look at them, do not write to them.
    """
    return _pipeline(codecs).run(as_bytes(encoded), out.nbytes, limit, out)


def decode_all(
    codecs: tuple[Codec, ...],
    encoded: EncodedChunks,
    out: NDArray[np.uint8],
    *,
    limit: int,
) -> None:
    """Decode many small chunks to the rows of ``out``, (chunks, bytes of each).

    All of them must be present.

    Raises
    ------
    ChunkDecodeError, UnsupportedCodec
        As ``decode_into``; ``position`` tells which chunk.
    """
    pipeline = _pipeline(codecs)
    for position in pipeline.run_all(encoded, out):
        row, stored = out[position], encoded[position]
        try:
            data = as_bytes(b"" if stored is None else stored)
            decoded = pipeline.run(data, row.nbytes, limit, row)
        except ChunkDecodeError as error:
            error.position = position
            raise
        if decoded is not row:
            row[...] = decoded


def decode(
    codecs: tuple[Codec, ...], encoded: Buffer, nbytes: int, *, limit: int
) -> Buffer:
    """Decode a chunk to exactly ``nbytes`` bytes.

    Like ``decode_into``, in memory that is the caller's, or, where no codec needs
    other memory, a view of ``encoded``. More than ``limit`` bytes are an error.
    """
    if nbytes > limit:
        raise ChunkDecodeError(f"{nbytes} bytes decoded are over the limit of {limit}")
    return _pipeline(codecs).run(as_bytes(encoded), nbytes, limit, None)


class _Pipeline:
    """Codecs made ready; they are the same for all chunks of a layout."""

    def __init__(self, codecs: tuple[Codec, ...]) -> None:
        self._names = [str(codec) for codec in codecs]
        self._steps = [_step(codec) for codec in codecs]
        self._sizes: tuple[int, list[int | None]] = (-1, [])

    def run(self, data: Bytes, nbytes: int, limit: int, out: Bytes | None) -> Bytes:
        sizes = self._sizes_for(nbytes)
        place = len(self._steps)
        self._check(data, sizes[place], place)
        while place > 0:
            place -= 1
            size = sizes[place]
            room = Room(size, limit, out if place == 0 else None)
            try:
                data = self._steps[place].decode(data, room)
            except (MemoryError, UnsupportedCodec):
                raise
            except Exception as error:
                # Whatever a library raises of bytes that it cannot make sense of.
                raise ChunkDecodeError(f"{self._names[place]}: {error}") from error
            self._check(data, size, place, limit)
        return data

    def run_all(self, encoded: EncodedChunks, out: NDArray[np.uint8]) -> list[int]:
        """Decode what is ordinary; give the positions of all others."""
        if len(self._steps) == 1:
            decode_all = self._steps[0].decode_all
            if decode_all is not None:
                return decode_all(encoded, out)
        return list(range(len(encoded)))

    def _sizes_for(self, nbytes: int) -> list[int | None]:
        """Give the bytes that come out of each step, and those that are stored."""
        known, sizes = self._sizes
        if known == nbytes:
            return sizes
        size: int | None = nbytes
        sizes = [size]
        for step, name in zip(self._steps, self._names, strict=True):
            if size is not None:
                try:
                    size = step.encoded_size(size)
                except ValueError as error:
                    raise ChunkDecodeError(f"{name}: {error}") from error
            sizes.append(size)
        self._sizes = nbytes, sizes
        return sizes

    def _check(
        self, data: Bytes, size: int | None, place: int, limit: int | None = None
    ) -> None:
        if size is not None and data.nbytes != size:
            if place == len(self._steps):
                name = f"{self._names[-1]}: " if self._names else ""
                raise ChunkDecodeError(
                    f"{name}{data.nbytes} bytes where {size} were expected"
                )
            raise ChunkDecodeError(
                f"{self._names[place]}: it holds {data.nbytes} bytes"
                f" where {size} were expected"
            )
        if size is None and limit is not None and data.nbytes > limit:
            raise ChunkDecodeError(
                f"{self._names[place]}: it holds {data.nbytes} bytes,"
                f" over the limit of {limit}"
            )


def _step(codec: Codec) -> Step:
    factory = FACTORIES.get(codec.id)
    if factory is None:
        step = registered_step(codec.id, codec.config) if codec.id else None
        if step is not None:
            return step
        name = codec.config.get("name", "")
        called = f" ({name})" if name else ""
        raise UnsupportedCodec(f"codec {codec.id!r}{called} cannot be decoded here")
    return factory(codec.config)


@lru_cache(maxsize=256)
def _made(codecs: tuple[Codec, ...]) -> _Pipeline:
    return _Pipeline(codecs)


_recent: tuple[tuple[Codec, ...], _Pipeline] | None = None


def _pipeline(codecs: tuple[Codec, ...]) -> _Pipeline:
    """Give the pipeline of codecs; the same ones as before cost nothing.

    Hashing codecs takes as long as decoding a small chunk does.
    """
    global _recent  # noqa: PLW0603 - replaced whole, so right in every thread
    recent = _recent
    if recent is not None and recent[0] is codecs:
        return recent[1]
    pipeline = _made(codecs)
    _recent = (codecs, pipeline)
    return pipeline
