"""Checks of what must not be answered: absence, damage, refusals."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from activecore.backend import StorageBackend
from activecore.cancel import cancellable
from activecore.errors import (
    Cancelled,
    ChunkError,
    ChunkNotFound,
    SourceChanged,
)
from activecore.model import Codec, Partial
from activecore.testing.golden import golden_case
from activecore.testing.harness import Harness, fail, take
from activecore.testing.raising import must_raise

__all__ = ["FailureChecks"]

_CHUNKS = [
    np.random.default_rng(k).integers(-99, 99, (4, 5)).astype("f4") for k in range(4)
]
_CASE = golden_case("failures", _CHUNKS, "select")
_SIZE = _CHUNKS[0].nbytes


_LONG = golden_case(
    "long",
    [np.full((2, 3), k, dtype="f4") for k in range(1, 65)],
    "select",
    hint="what was not read before the run was stopped is taken for read; a stopped "
    "batch is answered in full, or raises Cancelled",
)


class _StopsLater(threading.Event):
    """A run that is stopped when its work has looked so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0


class FailureChecks(Harness):
    """Never a guess."""

    def test_core_absent_object_is_reported(self, backend: StorageBackend) -> None:
        """``reduce_chunk`` raises ``ChunkNotFound``, or says that it is absent."""
        batch = self.batch(_CASE, [(self.absent(), 0, _SIZE)])
        try:
            partial = backend.reduce_chunk(batch[0])
        except ChunkNotFound:
            return
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            fail(
                asked="a chunk of an object that is not there",
                expected="ChunkNotFound",
                came_back=f"{type(error).__name__}: {error}",
                usually="the store's own 'not found' is not translated",
            )
        if np.asarray(partial.absent).tolist() != [0]:
            fail(
                asked="a chunk of an object that is not there",
                expected="ChunkNotFound",
                came_back=f"values {partial.values}",
                usually="an absent object is taken for fill values",
            )

    @pytest.mark.parametrize("gone", [(1,), (0, 3), (0, 1, 2, 3)], ids=str)
    def test_core_absent_objects_are_positions_of_the_batch(
        self, backend: StorageBackend, gone: tuple[int, ...]
    ) -> None:
        """The other chunks of the batch are answered all the same."""
        places = self.lay_out("absent-among", _CASE.encoded)
        source = self.absent()
        for position in gone:
            places[position] = (source, 0, _SIZE)
        batch = self.batch(_CASE, places)
        asked = f"4 chunks, of which the objects of {list(gone)} are not there"
        try:
            partial = backend.reduce_chunks(batch)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            fail(
                asked=asked,
                expected=f"a partial with absent={list(gone)}",
                came_back=f"{type(error).__name__}: {error}",
                usually="ChunkNotFound leaves reduce_chunks; there it is a position",
            )
        if np.asarray(partial.absent).tolist() != list(gone):
            fail(
                asked=asked,
                expected=f"absent={list(gone)}",
                came_back=f"absent={np.asarray(partial.absent).tolist()}",
                usually="positions are those of the batch, from 0, ascending",
            )
        present = [k for k in range(4) if k not in gone]
        self.hold(_CASE, _rows(partial, present), present)

    def test_core_short_object_is_an_error_and_not_absence(
        self, backend: StorageBackend
    ) -> None:
        """An object that ends within the range that was asked."""
        source = self.put("short", _CASE.encoded[0][:-8])
        must_raise(
            backend,
            self.batch(_CASE, [(source, 0, _SIZE)]),
            "8 bytes more than there are",
        )
        must_raise(
            backend,
            self.batch(_CASE, [(source, 10 * _SIZE, _SIZE)]),
            "bytes that lie behind the object's end",
        )

    @pytest.mark.parametrize("size", [_SIZE - 4, _SIZE + 4], ids=["less", "more"])
    def test_core_bytes_that_do_not_make_the_chunk_are_an_error(
        self, backend: StorageBackend, size: int
    ) -> None:
        """Fewer or more bytes than dtype and shape say, without a codec."""
        source = self.put("of-another-size", _CASE.encoded[0] + bytes(64))
        text = f"a chunk of {_SIZE} bytes, stored in {size}"
        must_raise(backend, self.batch(_CASE, [(source, 0, size)]), text)

    def test_core_failed_batch_names_the_chunk(self, backend: StorageBackend) -> None:
        """A ``ChunkError`` says at which position it happened."""
        places = self.lay_out("one-of-four-short", _CASE.encoded)
        places[2] = (self.put("too-short", bytes(8)), 0, _SIZE)
        error = must_raise(backend, self.batch(_CASE, places), "chunk 2 is short", 2)
        if isinstance(error, ChunkError) and error.position != 2:  # noqa: PLR2004 - above
            fail(
                asked="4 chunks, of which chunk 2 is too short",
                expected="an error with position 2",
                came_back=f"position {error.position}: {error}",
                usually="ChunkError(..., position=...) is the place in the batch",
            )

    @pytest.mark.parametrize("version", ['"of-no-object"', None], ids=["other", "none"])
    def test_core_only_the_version_asked_for_is_confirmed(
        self, backend: StorageBackend, version: str | None
    ) -> None:
        """An answer that says that it is of the batch's version is of no other."""
        batch = replace(self.place(_CASE), version=version)
        asked = f"chunks of version {version}, which no object here has"
        expected = "an answer that is not confirmed, or SourceChanged"
        try:
            partial = backend.reduce_chunks(batch)
        except SourceChanged:
            return
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            came_back = f"{type(error).__name__}: {error}"
            fail(asked=asked, expected=expected, came_back=came_back)
        if partial.is_confirmed:
            fail(
                asked=asked,
                expected=expected,
                came_back="an answer with is_confirmed",
                usually="is_confirmed is for stores that refuse to read another "
                "version (If-Match); with it nobody looks whether the source has "
                "changed",
            )

    def test_core_unknown_codec_is_refused(self, backend: StorageBackend) -> None:
        """By ``why_not``, and by whoever asks all the same."""
        layout = replace(_CASE.layout, codecs=(Codec.of("no-such-codec", level=9),))
        batch = replace(
            self.batch(_CASE, self.lay_out("unknown-codec", _CASE.encoded)),
            layout=layout,
        )
        if backend.why_not(batch) is None:
            fail(
                asked="why_not of chunks encoded with 'no-such-codec'",
                expected="one sentence that names the codec",
                came_back="None",
                usually="why_not looks for what it knows to be wrong, and lets pass "
                "what it does not know",
            )
        must_raise(backend, batch, "chunks encoded with 'no-such-codec'")

    def test_core_stopped_run_is_cancelled_or_answered(
        self, backend: StorageBackend
    ) -> None:
        """``Cancelled`` passes through: as another error it would fall back."""
        stopped = threading.Event()
        stopped.set()
        batch = self.place(_CASE)
        try:
            with cancellable(stopped):
                partial = backend.reduce_chunks(batch)
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            fail(
                asked="a batch of a run that was stopped",
                expected="Cancelled",
                came_back=f"{type(error).__name__}: {error}",
                usually="'except Exception' around a loop that checks for cancellation",
            )
        self.hold(_CASE, partial, range(len(batch)))

    def test_core_run_that_is_stopped_midway_gives_no_part_of_an_answer(
        self, backend: StorageBackend
    ) -> None:
        """Stopped at its third look, a batch is ``Cancelled``, or answered in full."""
        size = min(len(_LONG.chunks), backend.batch_chunks)
        batch = take(self.place(_LONG), range(size))
        for looks in (1, 3, 20):
            try:
                with cancellable(_StopsLater(looks)):
                    partial = backend.reduce_chunks(batch)
            except Cancelled:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                fail(
                    asked=f"a batch of {size} chunks of a run that is stopped midway",
                    expected="Cancelled",
                    came_back=f"{type(error).__name__}: {error}",
                    usually="'except Exception' around a loop that checks for "
                    "cancellation",
                )
            self.hold(_LONG, partial, range(size))

    def test_capability_unreadable_object_is_an_error_and_not_absence(
        self, backend: StorageBackend
    ) -> None:
        """Forbidden, broken, not an object: whatever the author can bring about."""
        sources = self.unreadable()
        if len(sources) == 0:
            pytest.skip("not offered: the suite's hook `unreadable`")
        for what, source in sources.items():
            places = self.lay_out("beside-unreadable", _CASE.encoded)
            places[1] = (source, 0, _SIZE)
            batch = self.batch(_CASE, places)
            must_raise(backend, batch, f"4 chunks, chunk 1 unreadable: {what}", 1)


def _rows(partial: Partial, rows: list[int]) -> Partial:
    return Partial(
        tuple(np.asarray(value)[rows] for value in partial.values),
        np.asarray(partial.count)[rows],
    )
