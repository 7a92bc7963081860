"""``ReaderConformance``: the suite that a reader's author subclasses."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import fsspec
import numpy as np
import pytest
from numpy.typing import ArrayLike

from activecore.backend import ByteRangeBackend
from activecore.contract import CONTRACT
from activecore.errors import (
    ActiveCoreError,
    ChunkNotFound,
    ChunkReadError,
    SourceNotFound,
    VariableNotFound,
)
from activecore.model import ArrayInfo
from activecore.readers.base import Reader
from activecore.testing.arrays import active_array
from activecore.testing.harness import fail

__all__ = ["ReaderConformance"]

Written: TypeAlias = tuple[Path, Mapping[str, ArrayLike]]

_OTHERS = {
    "a directory": b"",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a netCDF classic file": b"CDF\x01" + bytes(100),
    "a text": b"time,tas\n0,280.5\n" * 9,
    "zeros": bytes(4096),
}
"""Heads of what belongs to somebody else."""


class _Files(ByteRangeBackend):
    """Reads local files, so that a reader's chunks can be asked for."""

    name = "files"
    contract: ClassVar[tuple[int, int]] = (1, 0)

    def filesystem(self, url: str) -> fsspec.AbstractFileSystem:  # noqa: ARG002 - there is one
        return fsspec.filesystem("file")

    def read_range(self, source: str, offset: int, size: int) -> bytes:
        try:
            with Path(source).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError as error:
            raise ChunkNotFound(f"there is no file {source}") from error
        except OSError as error:
            raise ChunkReadError(f"{source}: {error}") from error


class ReaderConformance:
    """Proves that a reader keeps the contract.

    Subclass it, name the ``reader``, and override the fixture ``written``: it writes a
    file with somebody else's library, and gives its path and what each variable holds,
    unpacked, as a masked array where something is missing. Give it ``params`` to have
    every test for many files.
    """

    reader: ClassVar[type[Reader]]
    """The class that is tested."""

    @pytest.fixture
    def written(self, tmp_path: Path) -> Written:
        """Override: write a file, and say what it holds."""
        raise NotImplementedError("override the fixture `written` of the suite")

    def test_core_declares_itself(self) -> None:
        """A name, and the contract it is written for, in the class itself."""
        name = self.reader.name
        if not (isinstance(name, str) and name.isidentifier()):
            fail(asked="name", expected="a word", came_back=repr(name))
        own = [kind for kind in self.reader.__mro__ if kind is not Reader]
        if not any("contract" in vars(kind) for kind in own):
            fail(
                asked=f"contract of {self.reader.__name__}",
                expected=f"contract = {CONTRACT} in the class",
                came_back="the default, which is that of any core it meets",
            )

    def test_core_recognises_what_is_its_own_and_nothing_else(
        self, written: Written
    ) -> None:
        """By the content of the file, whatever it is called."""
        path, _ = written
        renamed = path.rename(path.with_name("misnamed.xyz"))
        fs = fsspec.filesystem("file")
        head = renamed.read_bytes()[:4096]
        if not self.reader.recognises(fs, str(renamed), head):
            fail(
                asked="recognises, of its own file under another name",
                expected="True",
                came_back="False",
                usually="the suffix is looked at, and not the content",
            )
        for what, other in _OTHERS.items():
            target = renamed.with_name("other")
            target.write_bytes(other)
            where = renamed.parent if other == b"" else target
            if self.reader.recognises(fs, str(where), other):
                fail(
                    asked=f"recognises, of {what}",
                    expected="False",
                    came_back="True",
                    usually="too few bytes are compared; others then get no file",
                )

    def test_core_lists_what_it_describes(self, written: Written) -> None:
        """Names, shapes, dimensions and dtypes, before any array is asked for."""
        path, holds = written
        with self._open(path) as reader:
            listed = reader.variables()
            lacking = sorted(set(holds) - set(listed))
            if lacking:
                came_back = f"{sorted(listed)}"
                fail(asked="variables", expected=f"{lacking}", came_back=came_back)
            for name, values in holds.items():
                info = reader.array(name)
                shape = np.shape(values)
                seen = (listed[name].shape, info.shape)
                if seen != (shape, shape) or len(info.dims) != len(shape):
                    fail(
                        asked=f"shape and dimensions of {name}",
                        expected=f"{shape}, and as many names",
                        came_back=f"{seen[0]} listed, {seen[1]} of dims {info.dims}",
                    )

    def test_core_elements_are_right(self, written: Written) -> None:
        """Every variable, read whole and in part, through a backend of byte ranges."""
        path, holds = written
        for name, values in holds.items():
            right: Any = np.ma.asarray(values)
            array = active_array(self._info(path, name), _Files())
            _hold(f"all of {name}", array.read(), right)
            part = tuple(slice(n // 3, max(n // 3 + 1, n - 1)) for n in right.shape)
            if 0 not in right.shape:
                _hold(f"{name}[{part}]", array[part].read(), right[part])

    def test_core_reductions_are_right(self, written: Written) -> None:
        """Sums and extremes, whole and along each axis."""
        path, holds = written
        for name, values in holds.items():
            right = np.ma.asarray(values).astype("f8")
            array = active_array(self._info(path, name), _Files())
            for axis in (None, *range(right.ndim)):
                for reduction in ("count", "sum", "max"):
                    if 0 in right.shape:
                        continue
                    wanted = getattr(right, reduction)(axis=axis)
                    asked = f"{reduction} of {name} over axis {axis}"
                    _hold(asked, array.reduce(reduction, axis), wanted, rtol=1e-9)

    def test_core_arrays_outlive_their_reader_and_travel(
        self, written: Written
    ) -> None:
        """After ``close``, which may come twice, and through a pickle."""
        path, holds = written
        reader = self._open(path)
        infos = {name: reader.array(name) for name in holds}
        reader.close()
        reader.close()
        for name, info in infos.items():
            try:
                copy: ArrayInfo = pickle.loads(pickle.dumps(info))  # noqa: S301 - our own pickle
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                fail(
                    asked=f"a pickle of the description of {name}",
                    expected="a copy",
                    came_back=f"{type(error).__name__}: {error}",
                    usually="the index holds on to an open file",
                )
            array = active_array(copy, _Files())
            _hold(f"{name}, travelled", array.read(), np.ma.asarray(holds[name]))

    def test_core_what_is_not_there_is_named(self, written: Written) -> None:
        """A variable, and a file."""
        path, _ = written
        with self._open(path) as reader:
            _must_raise("a variable of no file", VariableNotFound,
                        lambda: reader.array("no-such-variable"))  # fmt: skip
        gone = path.with_name("gone")
        _must_raise("a file that is not there", SourceNotFound,
                    lambda: self._open(gone))  # fmt: skip

    def test_core_a_file_that_was_cut_short_is_an_error(self, written: Written) -> None:
        """Wherever it ends: one of activecore's errors, when opened or when read."""
        path, holds = written
        whole = path.read_bytes()
        cut = path.with_name("cut")
        for k in range(1, 20):
            cut.write_bytes(whole[: len(whole) * k // 20])
            try:
                for name in holds:
                    active_array(self._info(cut, name), _Files()).read()
            except ActiveCoreError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                fail(
                    asked=f"the first {len(whole) * k // 20} of {len(whole)} bytes",
                    expected="an error of activecore's, in one line",
                    came_back=f"{type(error).__name__}: {error}",
                    usually="the error of a library is raised as it is",
                )
            if k < 10:  # noqa: PLR2004 - a trailer may be all that is missing
                fail(
                    asked=f"the first {len(whole) * k // 20} of {len(whole)} bytes",
                    expected="an error",
                    came_back="all variables, read",
                )

    def _open(self, path: Path) -> Reader:
        return self.reader(fsspec.filesystem("file"), str(path))

    def _info(self, path: Path, name: str) -> ArrayInfo:
        with self._open(path) as reader:
            return reader.array(name)


def _hold(asked: str, got: Any, right: Any, *, rtol: float = 0.0) -> None:
    got, right = np.ma.asarray(got), np.ma.asarray(right)
    if got.shape != right.shape:
        fail(asked=asked, expected=f"shape {right.shape}", came_back=f"{got.shape}")
    mask, other = np.ma.getmaskarray(got), np.ma.getmaskarray(right)
    if not np.array_equal(mask, other):
        fail(
            asked=asked,
            expected=f"{int(other.sum())} missing",
            came_back=f"{int(mask.sum())} missing, or elsewhere",
            usually="the layout's missing rules",
        )
    kept = ~other
    one, two = np.asarray(got)[kept], np.asarray(right)[kept]
    if not np.allclose(one, two, rtol=rtol, atol=0, equal_nan=True):
        fail(
            asked=asked,
            expected=f"{two.ravel()[:6]}",
            came_back=f"{one.ravel()[:6]}",
            usually="the dtype, its byte order, the order of axes, or the offsets",
        )


def _must_raise(asked: str, kind: type[Exception], call: Any) -> None:
    try:
        call()
        came_back = "no error"
    except kind:
        return
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        came_back = f"{type(error).__name__}: {error}"
    fail(asked=asked, expected=kind.__name__, came_back=came_back)
