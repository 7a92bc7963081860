"""Backends that are wrong in one way each: the suite must fail every one of them.

Each is the healthy fake with one thing changed. The table at the end says which test
has to notice, and what it has to say.
"""

from __future__ import annotations

import tempfile
import threading
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
import sabotage_page
from fake_suite import FakeSuite, failures_of
from pydantic import SecretStr

from activecore.backend import BackendOptions, ByteRangeBackend
from activecore.cancel import cancellable, check_cancelled
from activecore.errors import (
    ActiveCoreError,
    AuthenticationError,
    BackendRefused,
    BackendUnavailable,
    Cancelled,
    ChunkDecodeError,
    ChunkError,
    ChunkNotFound,
    ChunkReadError,
    SourceChanged,
)
from activecore.kernel import reduce_buffers
from activecore.model import ChunkBatch, Missing, Partial
from activecore.testing import FakeBackend


class Twisted(FakeBackend):
    """Changes the question, or the answer, or neither."""

    def asked(self, batch):
        return batch

    def told(self, batch, partial):
        return partial

    def reduce_chunks(self, batch):
        return self.told(batch, super().reduce_chunks(self.asked(batch)))


def with_missing(batch, missing):
    return replace(batch, layout=replace(batch.layout, missing=missing))


def elements_of(backend, batch):
    """What was selected of each chunk, and which of it is not missing."""
    partial = FakeBackend.reduce_chunks(backend, batch.asking("select"))
    return partial.values[0], partial.count


def reduced(ufunc, values, batch, dtype=None):
    axes = tuple(axis + 1 for axis in batch.axis)
    return ufunc.reduce(values, axis=axes, dtype=dtype, keepdims=True)


# -- counts ---------------------------------------------------------------------------


class CountsOneTooMany(Twisted):
    def told(self, batch, partial):
        if batch.operation == "select":
            return partial
        return replace(partial, count=partial.count + 1)


class CountsMasked(Twisted):
    def told(self, batch, partial):
        everything = FakeBackend.reduce_chunks(self, with_missing(batch, Missing()))
        return replace(partial, count=everything.count)


class InvertsTheMask(Twisted):
    def told(self, batch, partial):
        if batch.operation != "select":
            return partial
        return replace(partial, count=~partial.count)


# -- missing rules --------------------------------------------------------------------


class DropsValues(Twisted):
    def asked(self, batch):
        return with_missing(batch, replace(batch.missing, values=()))


class DropsSecondValue(Twisted):
    def asked(self, batch):
        first = batch.missing.values[:1]
        return with_missing(batch, replace(batch.missing, values=first))


class DropsNan(Twisted):
    def asked(self, batch):
        numbers = tuple(v for v in batch.missing.values if v == v)
        return with_missing(batch, replace(batch.missing, values=numbers))


class DropsValidMin(Twisted):
    def asked(self, batch):
        return with_missing(batch, replace(batch.missing, valid_min=None))


class DropsValidMax(Twisted):
    def asked(self, batch):
        return with_missing(batch, replace(batch.missing, valid_max=None))


class DropsZeroFill(Twisted):
    def asked(self, batch):
        truthy = tuple(v for v in batch.missing.values if v)
        return with_missing(batch, replace(batch.missing, values=truthy))


class DropsZeroBounds(Twisted):
    def asked(self, batch):
        low = batch.missing.valid_min or None
        high = batch.missing.valid_max or None
        missing = replace(batch.missing, valid_min=low, valid_max=high)
        return with_missing(batch, missing)


class AppliesOneRule(Twisted):
    def asked(self, batch):
        if batch.missing.values:
            return with_missing(batch, Missing(batch.missing.values[:1]))
        return batch


# -- numbers --------------------------------------------------------------------------


class SumsInStoredDtype(Twisted):
    def told(self, batch, partial):
        if batch.operation != "sum":
            return partial
        values, kept = elements_of(self, batch)
        with np.errstate(all="ignore"):
            present = np.where(kept, values, values.dtype.type(0))
            total = reduced(np.add, present, batch, dtype=values.dtype)
        return replace(partial, values=(total.astype(partial.values[0].dtype),))


class SumsInFloat32(Twisted):
    def told(self, batch, partial):
        if batch.operation != "sum" or batch.dtype.kind != "f":
            return partial
        values, kept = elements_of(self, batch)
        with np.errstate(all="ignore"):
            present = np.where(kept, values, 0).astype("f4")
            flat = present.reshape(len(batch), -1)
            if batch.axis != tuple(range(len(batch.shape))) or flat.shape[1] == 0:
                return partial
            total = np.add.accumulate(flat, axis=1, dtype="f4")[:, -1]
        return replace(
            partial, values=(total.astype("f8").reshape(partial.values[0].shape),)
        )


class WrapsLongSums(Twisted):
    def told(self, batch, partial):
        if batch.operation != "sum_f8" or batch.dtype.kind == "f":
            return partial
        values, kept = elements_of(self, batch)
        total = reduced(np.add, np.where(kept, values, 0), batch)
        return replace(partial, values=(total.astype("f8"),))


class MaximaFromFloat64(Twisted):
    def told(self, batch, partial):
        if batch.operation not in ("min", "max") or batch.dtype.kind == "f":
            return partial
        dtype = partial.values[0].dtype
        with np.errstate(invalid="ignore"):
            through = partial.values[0].astype("f8").astype(dtype)
        return replace(partial, values=(through,))


class MaximaFromFiniteNumbers(Twisted):
    def told(self, batch, partial):
        if batch.operation != "max" or batch.dtype.kind != "f":
            return partial
        least = np.finfo(partial.values[0].dtype).min
        return replace(partial, values=(np.maximum(partial.values[0], least),))


class SkipsNan(Twisted):
    def told(self, batch, partial):
        if batch.operation not in ("min", "max") or batch.dtype.kind != "f":
            return partial
        nan = batch.missing.with_value(np.dtype(batch.dtype.str[1:]).type(np.nan))
        lenient = FakeBackend.reduce_chunks(self, with_missing(batch, nan))
        return replace(partial, values=lenient.values)


class SquaresMoments(Twisted):
    def told(self, batch, partial):
        if batch.operation != "moments":
            return partial
        values, kept = elements_of(self, batch)
        mean = partial.values[0]
        with np.errstate(all="ignore"):
            squares = np.where(kept, values.astype("f8") ** 2, 0)
            m2 = reduced(np.add, squares, batch) - partial.count * mean**2
        return replace(partial, values=(mean, m2))


class AnswersInFloat32(Twisted):
    def told(self, batch, partial):
        if batch.operation != "sum":
            return partial
        return replace(partial, values=(partial.values[0].astype("f4"),))


class AnswersBigEndian(Twisted):
    def told(self, batch, partial):
        values = tuple(v.astype(v.dtype.newbyteorder(">")) for v in partial.values)
        return replace(partial, values=values)


class AnswersWithLists(Twisted):
    def told(self, batch, partial):
        return replace(partial, values=tuple(v.tolist() for v in partial.values))


class AnswersNothing(Twisted):
    def told(self, batch, partial):
        return None


class AnswersOneValueTooMany(Twisted):
    def told(self, batch, partial):
        return replace(partial, values=(*partial.values, partial.count))


# -- what is asked of a chunk ---------------------------------------------------------


class ReadsFortranAsC(Twisted):
    def asked(self, batch):
        return replace(batch, layout=replace(batch.layout, order="C"))


class IgnoresByteOrder(Twisted):
    def asked(self, batch):
        native = batch.dtype.newbyteorder("=")
        return replace(batch, layout=replace(batch.layout, dtype=native))


class IgnoresSelection(Twisted):
    def asked(self, batch):
        everything = tuple(slice(0, n, 1) for n in batch.shape)
        return replace(batch, selection=everything)


class IgnoresSteps(Twisted):
    def asked(self, batch):
        dense = tuple(
            slice(item.start, item.stop, 1) if isinstance(item, slice) else item
            for item in batch.selection
        )
        return replace(batch, selection=dense)


class TakesPositionsForASlice(Twisted):
    def asked(self, batch):
        spans = tuple(
            slice(item[0], item[-1] + 1, 1)
            if not isinstance(item, slice) and item
            else item
            for item in batch.selection
        )
        return replace(batch, selection=spans)


class DropsRepeatedPositions(Twisted):
    def asked(self, batch):
        once = tuple(
            item if isinstance(item, slice) else tuple(sorted(set(item)))
            for item in batch.selection
        )
        return replace(batch, selection=once)


class FailsOnEmptySelections(Twisted):
    def asked(self, batch):
        if 0 in batch.selected_shape:
            raise ValueError("zero-size array to reduction operation maximum")
        return batch


class DropsReducedAxes(Twisted):
    def told(self, batch, partial):
        if batch.operation == "select":
            return partial
        axes = tuple(axis + 1 for axis in batch.axis)
        values = tuple(np.squeeze(value, axes) for value in partial.values)
        return replace(partial, values=values, count=np.squeeze(partial.count, axes))


class CountsAxesFromTheEnd(Twisted):
    def asked(self, batch):
        last = len(batch.shape) - 1
        return replace(batch, axis=tuple(sorted(last - axis for axis in batch.axis)))


class IgnoresOffsets(FakeBackend):
    def read_range(self, source, offset, size):
        return super().read_range(source, 0, size)


# -- batches --------------------------------------------------------------------------


class ReversesBatches(Twisted):
    def told(self, batch, partial):
        values = tuple(value[::-1].copy() for value in partial.values)
        return replace(partial, values=values, count=partial.count[::-1].copy())


class SortsBatches(Twisted):
    def asked(self, batch):
        order = np.lexsort((batch.offsets, batch.sources.astype(str)))
        return replace(
            batch,
            sources=batch.sources[order],
            offsets=batch.offsets[order],
            sizes=batch.sizes[order],
        )


class AnswersFirstChunksOnly(Twisted):
    def told(self, batch, partial):
        for value in partial.values:
            value[256:] = 0
        return partial


class OneByOneOnly(Twisted):
    """Right chunk by chunk, wrong together."""

    def told(self, batch, partial):
        if len(batch) == 1 or batch.operation == "select":
            return partial
        return replace(partial, values=tuple(v + v for v in partial.values))


# -- absence and damage ---------------------------------------------------------------


class RaisesForAbsence(FakeBackend):
    def read_ranges(self, sources, offsets, sizes):
        return [
            self.read_range(*one) for one in zip(sources, offsets, sizes, strict=True)
        ]


class MistakesAbsentPositions(Twisted):
    def told(self, batch, partial):
        return replace(partial, absent=len(batch) - 1 - partial.absent[::-1])


class FillsAbsence(Twisted):
    def told(self, batch, partial):
        return replace(partial, absent=np.empty(0, dtype=np.int64))

    def reduce_chunk(self, request):
        partial = self.reduce_chunks(ChunkBatch.of(request))
        values = tuple(value[0, ...] for value in partial.values)
        return Partial(values, partial.count[0, ...])


class ReportsAbsenceOfWhatIsThere(Twisted):
    def told(self, batch, partial):
        return replace(partial, absent=np.array([0]))


class LeavesAbsenceUntranslated(FakeBackend):
    def read_range(self, source, offset, size):
        try:
            return super().read_range(source, offset, size)
        except ChunkNotFound as error:
            raise KeyError(source) from error


class ConfirmsWhatItDoesNotKnow(Twisted):
    def told(self, batch, partial):
        return replace(partial, is_confirmed=True)


class RefusesVersions(FakeBackend):
    def reduce_chunks(self, batch):
        if batch.version is not None:
            raise BackendRefused("versions are not known here")
        return super().reduce_chunks(batch)


class SwallowsErrors(FakeBackend):
    def read_range(self, source, offset, size):
        try:
            return super().read_range(source, offset, size)
        except (ChunkReadError, AuthenticationError):
            return bytes(size)


class PadsShortReads(FakeBackend):
    def read_range(self, source, offset, size):
        data = super().read_range(source, offset, size)
        return data if size == -1 else data.ljust(size, b"\0")


class FitsBytesToTheShape(FakeBackend):
    def reduce_chunks(self, batch):
        size = batch.layout.nbytes
        if batch.codecs:
            return super().reduce_chunks(batch)
        buffers = self.read_ranges(batch.sources, batch.offsets, batch.sizes)
        fitted = [b and b[:size].ljust(size, b"\0") for b in buffers]
        return reduce_buffers(replace(batch, sizes=np.full(len(batch), size)), fitted)


class TakesForbiddenForAbsent(FakeBackend):
    def read_range(self, source, offset, size):
        try:
            return super().read_range(source, offset, size)
        except AuthenticationError as error:
            raise ChunkNotFound("not there") from error


class RaisesWhatTheLibraryRaises(FakeBackend):
    def read_range(self, source, offset, size):
        try:
            return super().read_range(source, offset, size)
        except ActiveCoreError as error:
            raise OSError(5, "Input/output error") from error


class ForgetsThePosition(FakeBackend):
    def reduce_chunks(self, batch):
        try:
            return super().reduce_chunks(batch)
        except ChunkError as error:
            if isinstance(error, ChunkNotFound):
                raise
            raise ChunkReadError(str(error)) from error


class IgnoresChecksums(FakeBackend):
    """Strips the four bytes and never looks at them."""

    def reduce_chunks(self, batch):
        if not batch.codecs or batch.codecs[-1].id not in ("fletcher32", "crc32c"):
            return super().reduce_chunks(batch)
        bare = replace(batch.layout, codecs=batch.codecs[:-1])
        buffers = self.read_ranges(batch.sources, batch.offsets, batch.sizes)
        return reduce_buffers(
            replace(batch, layout=bare, sizes=batch.sizes - 4),
            [buffer[:-4] for buffer in buffers],
        )


class AcceptsAnyInflatedSize(FakeBackend):
    def reduce_chunks(self, batch):
        try:
            return super().reduce_chunks(batch)
        except ChunkDecodeError:
            plain = replace(batch.layout, codecs=())
            junk = [bytes(plain.nbytes)] * len(batch)
            sizes = np.full(len(batch), plain.nbytes)
            return reduce_buffers(replace(batch, layout=plain, sizes=sizes), junk)


class AcceptsAnyCodec(FakeBackend):
    def why_not(self, batch):
        return None

    def reduce_chunks(self, batch):
        plain = replace(batch, layout=replace(batch.layout, codecs=()))
        return super().reduce_chunks(plain)


class RefusesEverything(FakeBackend):
    def why_not(self, batch):
        return "today is Sunday"


class RefusesWhenAsked(FakeBackend):
    def reduce_chunks(self, batch):
        raise BackendRefused("status 400")


class HidesCancellation(FakeBackend):
    def reduce_chunks(self, batch):
        try:
            return super().reduce_chunks(batch)
        except ActiveCoreError as error:
            raise BackendUnavailable(str(error)) from error


# -- sharing --------------------------------------------------------------------------


class SharesThePosition(FakeBackend):
    """One file handle for all threads: seek, then read."""

    def read_range(self, source, offset, size):
        self.at = (source, offset)
        time.sleep(0)
        return super().read_range(*self.at, size)


class LendsOneConnection(FakeBackend):
    def __init__(self, options=None, **more):
        super().__init__(options, **more)
        self.busy = False

    def read_range(self, source, offset, size):
        if self.busy:
            raise RuntimeError("the connection is in use")
        self.busy = True
        try:
            time.sleep(0)
            return super().read_range(source, offset, size)
        finally:
            self.busy = False


class ReusesItsBuffer(Twisted):
    def told(self, batch, partial):
        lent = vars(self).setdefault("lent", {})
        values = []
        for k, value in enumerate(partial.values):
            key = (k, value.dtype.str, value.shape)
            lent.setdefault(key, np.empty_like(value))[...] = value
            values.append(lent[key])
        return replace(partial, values=tuple(values))


class CannotBePickled(FakeBackend):
    def __getstate__(self):
        return vars(self)


class SecretOptions(BackendOptions):
    key: SecretStr | None = None


class PicklesItsSecret(FakeBackend):
    options_type = SecretOptions

    def __init__(self, options=None, **more):
        super().__init__(options, **more)
        if self.options.key is not None:
            self.password = self.options.key.get_secret_value()


class ShowsItsSecret(FakeBackend):
    options_type = SecretOptions

    def __repr__(self):
        key = self.options.key
        return f"<{self.name} {key and key.get_secret_value()}>"


class ClosesOnce(FakeBackend):
    def close(self):
        if self._closed:
            raise ValueError("I/O operation on closed file")
        super().close()


class StaysOpen(FakeBackend):
    def close(self):
        pass


class SharesOneConnection(FakeBackend):
    """Closing one instance closes what all of them use."""

    is_open = True

    def __init__(self, options=None, **more):
        super().__init__(options, **more)
        type(self).is_open = True

    def read_range(self, source, offset, size):
        if not self.is_open:
            raise ValueError("I/O operation on closed file")
        return super().read_range(source, offset, size)

    def close(self):
        super().close()
        type(self).is_open = False


class IsClosedUnderItsCalls(FakeBackend):
    def read_range(self, source, offset, size):
        data = super().read_range(source, offset, size)
        time.sleep(0.01)
        return bytes(size) if self._closed else data


class AnswersPartOfAStoppedRun(FakeBackend):
    def reduce_chunks(self, batch):
        buffers = [bytes(size) for size in batch.sizes]
        try:
            for k in range(len(batch)):
                check_cancelled()
                one = batch[k]
                buffers[k] = self.read_range(one.source, one.offset, one.size)
        except Cancelled:
            pass
        with cancellable(threading.Event()):
            return reduce_buffers(batch, buffers)


class PrintsPerChunk(FakeBackend):
    def read_range(self, source, offset, size):
        print("reading", source)  # noqa: T201 - the fault
        return super().read_range(source, offset, size)


class SpeaksAnyContract(ByteRangeBackend):
    name = "fake"

    def __init__(self, options=None):
        super().__init__(options)
        self.fake = FakeBackend()
        self.put, self.delete, self.fail = (
            self.fake.put, self.fake.delete, self.fake.fail,
        )  # fmt: skip

    def filesystem(self, url):
        return self.fake.filesystem(url)

    def read_range(self, source, offset, size):
        return self.fake.read_range(source, offset, size)


class LeavesAThread(FakeBackend):
    def reduce_chunks(self, batch):
        threading.Thread(target=time.sleep, args=(2,), name="left").start()
        return super().reduce_chunks(batch)


# -- what it says ---------------------------------------------------------------------


class LacksSelect(FakeBackend):
    operations = frozenset({"sum", "max"})


class WrittenForAnotherContract(FakeBackend):
    contract = (99, 0)


class ConnectsAtOnce(FakeBackend):
    def __init__(self, options=None, **more):
        super().__init__(options, **more)
        with tempfile.TemporaryFile():
            pass


class AsksBeforeRefusing(FakeBackend):
    def why_not(self, batch):
        with tempfile.TemporaryFile():
            return super().why_not(batch)


class AnswersWhyNotWithFalse(FakeBackend):
    def why_not(self, batch):
        return False


class ChecksInSilence(FakeBackend):
    def check(self):
        return None


class NoFilesAtAll(FakeBackend):
    def filesystem(self, url):
        return self.objects


class FilesCannotBeListed(FakeBackend):
    def filesystem(self, url):
        files = super().filesystem(url)
        files.find = None
        return files


class FilesWithoutRanges(FakeBackend):
    def filesystem(self, url):
        files = super().filesystem(url)
        whole = files.cat_file
        files.cat_file = lambda path, start=None, end=None: whole(path)
        return files


class Conditional(FakeBackend):
    """Its filesystem does what ``ConditionalFileSystem`` says; derived ones do not."""

    def filesystem(self, url):
        files = super().filesystem(url)
        plain = files.info, files.cat_ranges

        def info(path):
            about = plain[0](path)
            if about["type"] == "file":
                about["ETag"] = f'"{zlib.crc32(files.cat_file(path))}"'
            return about

        def read_with_info(paths):
            return [
                (info(path), files.cat_file(path))
                if files.exists(path)
                else FileNotFoundError(path)
                for path in paths
            ]

        def info_and_ends(path, head_bytes, tail_bytes):
            about, data = info(path), files.cat_file(path)
            start = max(0, len(data) - tail_bytes)
            return about, [(0, data[:head_bytes]), (start, data[start:])]

        def cat_ranges(paths, starts, ends, if_match=None, **how):
            if if_match not in (None, info(paths[0])["ETag"]):
                raise SourceChanged(paths[0])
            return plain[1](paths, starts, ends, **how)

        files.info, files.cat_ranges = info, cat_ranges
        files.read_with_info, files.info_and_ends = read_with_info, info_and_ends
        files.full_name = lambda path: path
        self.twist(files)
        return files

    def twist(self, files):
        pass


class SwallowsIfMatch(Conditional):
    def twist(self, files):
        held = files.cat_ranges

        def wrong(paths, starts, ends, **how):
            how.pop("if_match", None)
            return held(paths, starts, ends, **how)

        files.cat_ranges = wrong


class ShiftsTheTail(Conditional):
    def twist(self, files):
        right = files.info_and_ends

        def wrong(path, head_bytes, tail_bytes):
            about, (head, tail) = right(path, head_bytes, tail_bytes)
            return about, [head, (tail[0] + 1, tail[1])]

        files.info_and_ends = wrong


class GivesVersionsThatAreOld(Conditional):
    def twist(self, files):
        right = files.read_with_info

        def wrong(paths):
            (about, data), *others = right(paths)
            return [({**about, "ETag": '"old"'}, data), *others]

        files.read_with_info = wrong


class NamesFilesOtherwise(Conditional):
    def twist(self, files):
        files.full_name = lambda path: f"fake://{path}"


class FilesAreNeverMissing(FakeBackend):
    def filesystem(self, url):
        files = super().filesystem(url)
        files.exists = lambda path: True
        return files


SELECT = "test_core_select_gives_the_elements"
LISTED = "test_core_listed_operation_is_right"
CAPABLE = "test_capability_is_right_or_refused"
BATCH_ABSENT = "test_core_absent_objects_are_positions_of_the_batch"
THROUGH_THE_CORE = "test_core_reductions_need_no_operation_that_is_not_listed"
UNREADABLE = "test_capability_unreadable_object_is_an_error_and_not_absence"
CONFIRMED = "test_core_only_the_version_asked_for_is_confirmed"
CONDITIONAL = "test_capability_conditional_filesystem_is_right"
SECRETS = "test_core_secrets_stay_out_of_pickle_and_repr"

SABOTAGES = [
    (CountsOneTooMany, LISTED, "the values are right, the counts are not"),
    (CountsMasked, LISTED, "the count includes missing elements"),
    (InvertsTheMask, SELECT, "the values are right, the counts are not"),
    (DropsValues, SELECT, "missing value -7.0 was not applied"),
    (DropsSecondValue, SELECT, "missing value 9.0 was not applied"),
    (DropsNan, SELECT, "missing value nan was not applied"),
    (DropsValidMin, SELECT, "valid_min -20.0 was not applied"),
    (DropsValidMax, SELECT, "valid_max 25.0 was not applied"),
    (DropsZeroFill, SELECT, "missing value 0.0 was not applied"),
    (DropsZeroBounds, SELECT, "valid_min 0.0 was not applied"),
    (DropsZeroBounds, SELECT, "valid_max 0.0 was not applied"),
    (AppliesOneRule, SELECT, "only the value 0.0 was applied"),
    (SumsInStoredDtype, CAPABLE, "the sum was accumulated in int8"),
    (SumsInFloat32, CAPABLE, "the sum was accumulated in float32"),
    (WrapsLongSums, CAPABLE, "sum_f8 accumulates in float64"),
    (MaximaFromFloat64, CAPABLE, "do not survive a trip through float64"),
    (MaximaFromFiniteNumbers, CAPABLE, "not from the greatest finite number"),
    (SkipsNan, CAPABLE, "NaN was skipped"),
    (SquaresMoments, CAPABLE, "lost its digits to cancellation"),
    (AnswersInFloat32, LISTED, "a value has dtype float32 instead of float64"),
    (AnswersBigEndian, SELECT, "has the byte order of another machine"),
    (AnswersWithLists, SELECT, "a value is a list, not a NumPy array"),
    (AnswersNothing, SELECT, "a Partial is expected, not NoneType"),
    (AnswersOneValueTooMany, LISTED, "sum has a tuple of 1 values"),
    (ReadsFortranAsC, CAPABLE, "the order in which axes are stored was ignored"),
    (IgnoresByteOrder, CAPABLE, "the byte order was ignored"),
    (IgnoresSelection, LISTED, "the selection was ignored"),
    (IgnoresSelection, SELECT, "has shape (3, 3, 4, 5) instead of (3, 2, 2, 3)"),
    (IgnoresSteps, CAPABLE, "the step of a slice was ignored"),
    (TakesPositionsForASlice, CAPABLE, "taken as a slice from the first to the last"),
    (DropsRepeatedPositions, CAPABLE, "repeated positions were taken once"),
    (FailsOnEmptySelections, SELECT, "an empty selection has count 0"),
    (DropsReducedAxes, LISTED, "reduced axes are kept at length one"),
    (
        CountsAxesFromTheEnd,
        LISTED,
        "a value has shape (3, 1, 1, 5) instead of (3, 3, 1, 1)",
    ),
    (IgnoresOffsets, SELECT, "the offset was ignored"),
    (ReversesBatches, LISTED, "this is the answer for chunk 2 of the batch"),
    (SortsBatches, "test_core_batch_in_any_order", "this is the answer for chunk"),
    (AnswersFirstChunksOnly, "test_core_large_batch", "chunk 256 of 500"),
    (OneByOneOnly, LISTED, "the counts are right, the values are not"),
    (DropsValues, THROUGH_THE_CORE, "mean of a float32 array in chunks, axis (0,)"),
    (CountsOneTooMany, THROUGH_THE_CORE, "a count that is not possible"),
    (OneByOneOnly, THROUGH_THE_CORE, "sum of a float32 array"),
    (RaisesForAbsence, BATCH_ABSENT, "ChunkNotFound leaves reduce_chunks"),
    (MistakesAbsentPositions, BATCH_ABSENT, "positions are those of the batch"),
    (ReportsAbsenceOfWhatIsThere, SELECT, "no absent chunk: all of them were stored"),
    (
        LeavesAbsenceUntranslated,
        "test_core_absent_object_is_reported",
        "the store's own 'not found' is not translated",
    ),
    (FillsAbsence, BATCH_ABSENT, "expected:  absent=[1]"),
    (FillsAbsence, "test_core_absent_object_is_reported", "taken for fill values"),
    (ConfirmsWhatItDoesNotKnow, CONFIRMED, "nobody looks whether the source has"),
    (RefusesVersions, CONFIRMED, "versions are not known here"),
    (SwallowsErrors, UNREADABLE, "an error is swallowed"),
    (
        PadsShortReads,
        "test_core_short_object_is_an_error_and_not_absence",
        "memory that nothing was read into",
    ),
    (
        FitsBytesToTheShape,
        "test_core_bytes_that_do_not_make_the_chunk_are_an_error",
        "a chunk of 80 bytes, stored in 76",
    ),
    (TakesForbiddenForAbsent, UNREADABLE, "a failure to read is taken for absence"),
    (RaisesWhatTheLibraryRaises, UNREADABLE, "chain it with 'from'"),
    (
        ForgetsThePosition,
        "test_core_failed_batch_names_the_chunk",
        "expected:  an error with position 2",
    ),
    (IgnoresChecksums, "test_capability_checksum_is_verified", "is not compared"),
    (
        AcceptsAnyInflatedSize,
        "test_capability_damaged_stream_is_an_error",
        "an answer, beginning",
    ),
    (
        AcceptsAnyCodec,
        "test_core_unknown_codec_is_refused",
        "one sentence that names the codec",
    ),
    (RefusesEverything, SELECT, "why_not refuses more than the backend lacks"),
    (RefusesWhenAsked, LISTED, "a refusal: status 400"),
    (
        HidesCancellation,
        "test_core_stopped_run_is_cancelled_or_answered",
        "BackendUnavailable: the run was stopped",
    ),
    (SharesThePosition, "test_core_threads_share_an_instance", "a file position"),
    (
        LendsOneConnection,
        "test_core_threads_share_an_instance",
        "RuntimeError: the connection is in use",
    ),
    (ReusesItsBuffer, "test_core_results_are_their_own_memory", "return a copy"),
    (CannotBePickled, "test_core_pickled_copy_answers", "leave them out in"),
    (PicklesItsSecret, SECRETS, "the secret, in its pickle"),
    (ShowsItsSecret, SECRETS, "the secret, in its repr"),
    (ClosesOnce, "test_core_close_is_idempotent", "a second time"),
    (StaysOpen, "test_core_closed_backend_raises", "super().close()"),
    (LeavesAThread, "test_core_close_leaves_no_thread_behind", "threads ['left'"),
    (
        SharesOneConnection,
        "test_core_instances_live_apart",
        "ValueError: I/O operation on closed file",
    ),
    (
        IsClosedUnderItsCalls,
        "test_core_close_during_calls_is_safe",
        "an answer, beginning [0. 0. 0. 0.]",
    ),
    (
        AnswersPartOfAStoppedRun,
        "test_core_run_that_is_stopped_midway_gives_no_part_of_an_answer",
        "answered in full, or raises Cancelled",
    ),
    (
        HidesCancellation,
        "test_core_run_that_is_stopped_midway_gives_no_part_of_an_answer",
        "BackendUnavailable: the run was stopped",
    ),
    (PrintsPerChunk, "test_core_prints_nothing", "'reading select-declarations"),
    (
        SpeaksAnyContract,
        "test_core_contract_is_written_out",
        "the default, which is that of any core it meets",
    ),
    (LacksSelect, "test_core_declares_itself", "'select' among them"),
    (WrittenForAnotherContract, "test_core_declares_itself", "contract: written for"),
    (ConnectsAtOnce, "test_core_making_an_instance_does_no_io", "expected:  no I/O"),
    (
        AsksBeforeRefusing,
        "test_core_why_not_is_none_or_a_sentence_without_io",
        "check() may, why_not may not",
    ),
    (
        AnswersWhyNotWithFalse,
        "test_core_why_not_is_none_or_a_sentence_without_io",
        "True and False are no reasons",
    ),
    (ChecksInSilence, "test_core_check_is_a_sentence", "expected:  one line of text"),
    (
        NoFilesAtAll,
        "test_core_filesystem_offers_what_readers_need",
        "expected:  an fsspec filesystem",
    ),
    (
        FilesCannotBeListed,
        "test_core_filesystem_offers_what_readers_need",
        "find of a file of 200 bytes",
    ),
    (
        FilesWithoutRanges,
        "test_core_filesystem_offers_what_readers_need",
        "cat_file(start=10, end=20)",
    ),
    (SwallowsIfMatch, CONDITIONAL, "'SourceChanged'"),
    (ShiftsTheTail, CONDITIONAL, "info_and_ends(50, 20)"),
    (GivesVersionsThatAreOld, CONDITIONAL, "read_with_info of a file"),
    (NamesFilesOtherwise, CONDITIONAL, "full_name of a file"),
    (
        FilesAreNeverMissing,
        "test_core_filesystem_says_that_nothing_is_there",
        "exists: False",
    ),
]


@pytest.mark.parametrize(
    ("backend", "test", "words"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[2]}") for row in SABOTAGES],
)
def test_the_suite_fails_a_sabotaged_backend_and_says_why(backend, test, words):
    said = failures_of(backend, test)
    assert any(words in text for text in said), "\n\n".join(said) or "nothing failed"


@pytest.mark.parametrize("test", sorted({row[1] for row in SABOTAGES}))
def test_the_healthy_backend_passes_what_others_fail(test):
    assert failures_of(FakeBackend, test) == []


def test_a_healthy_conditional_filesystem_passes():
    assert failures_of(Conditional, CONDITIONAL) == []


def test_every_test_of_the_suite_has_bitten():
    tests = {name for name in dir(FakeSuite) if name.startswith("test_")}
    unproved = tests - {row[1] for row in SABOTAGES}
    # Proved in test_conformance.py, in other ways.
    assert unproved == {"test_core_has_cases"}


def test_the_page_of_sabotages_says_what_each_is_told():
    written = sabotage_page.PAGE.read_text(encoding="utf-8")
    assert written.startswith(sabotage_page.HEAD)
    rows = written.removeprefix(sabotage_page.HEAD).splitlines()
    assert len(rows) == len(SABOTAGES)
    for row, (backend, check, words) in zip(rows, SABOTAGES, strict=True):
        name = sabotage_page.words_of(backend.__name__)
        assert row.startswith(f"| {name} | `{check}` | ")
        assert words.replace("|", "\\|") in row
