"""Checks of what a backend says about itself, and of its filesystem."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import pytest

from activecore.backend import BackendOptions, ByteRangeBackend, StorageBackend
from activecore.contract import CONTRACT
from activecore.errors import SourceChanged
from activecore.model import OPERATIONS
from activecore.readers.remote.conditional import (
    ConditionalFileSystem,
    Info,
    Pieces,
    strong_etag,
)
from activecore.testing.cases import CAPABILITY_CASES, SELECT_CASES
from activecore.testing.golden import golden_case
from activecore.testing.harness import Harness, fail
from activecore.testing.watch import watch_io

__all__ = ["DeclarationChecks"]

_DATA = bytes(range(200))

_CASE = golden_case(
    "declarations", [np.arange(6, dtype="f8"), np.ones(6, dtype="f8")], "select"
)


class DeclarationChecks(Harness):
    """What the core relies on before it asks for anything."""

    def test_core_declares_itself(self, backend: StorageBackend) -> None:
        """Name, operations, contract, options and limits."""
        wrong = [text for text, holds in _declarations(backend) if not holds]
        if wrong:
            fail(
                asked="the class attributes",
                expected=f"{'; '.join(wrong)}",
                came_back=f"name={backend.name!r}, operations="
                f"{sorted(backend.operations)}, contract={backend.contract}",
                usually="an attribute was left out, or misspelt",
            )

    def test_core_contract_is_written_out(self, backend: StorageBackend) -> None:
        """In the class itself: the default is whatever core is installed."""
        ours = (StorageBackend, ByteRangeBackend)
        own = [kind for kind in type(backend).__mro__ if kind not in ours]
        if not any("contract" in vars(kind) for kind in own):
            fail(
                asked=f"contract of {type(backend).__name__}",
                expected=f"contract = {CONTRACT} in the class",
                came_back="the default, which is that of any core it meets",
                usually="it was left out; a later core cannot tell that it must refuse",
            )

    def test_core_prints_nothing(self, backend: StorageBackend) -> None:
        """The core's output may be a pipe; libraries log."""
        batch = self.place(_CASE)
        written = io.StringIO()
        with redirect_stdout(written), redirect_stderr(written):
            backend.reduce_chunks(batch)
            backend.reduce_chunk(batch[0])
            backend.why_not(batch)
        if written.getvalue():
            first = written.getvalue().splitlines()[0]
            fail(
                asked="two chunks, together and one by one",
                expected="an answer, and nothing on standard output or error",
                came_back=f"{first!r} there",
                usually="a print that was meant for debugging",
            )

    def test_core_making_an_instance_does_no_io(self, backend: StorageBackend) -> None:
        """Connections open on first use, so that ``open`` can name ten backends."""
        with watch_io() as seen:
            type(backend)(backend.options)
        if seen:
            fail(
                asked=f"{type(backend).__name__}(options)",
                expected="no I/O",
                came_back=", ".join(seen),
                usually="a client or a session is made in __init__",
            )

    def test_core_why_not_is_none_or_a_sentence_without_io(
        self, backend: StorageBackend
    ) -> None:
        """Of any batch, an empty one too, and of sources that are not there."""
        for case in (*SELECT_CASES[:3], *CAPABILITY_CASES[::40]):
            for places in ([("no/such/source", 0, 8)], []):
                batch = self.batch(case, places)
                backend.why_not(batch)  # what it imports, it imports now
                with watch_io() as seen:
                    reason = backend.why_not(batch)
                if seen:
                    fail(
                        asked=f"why_not of {case:}",
                        expected="no I/O",
                        came_back=", ".join(seen),
                        usually="it asks the server; check() may, why_not may not",
                    )
                if reason is not None and not _is_sentence(reason):
                    fail(
                        asked=f"why_not of {case:}",
                        expected="None, or one line of text for a user",
                        came_back=repr(reason),
                        usually="True and False are no reasons",
                    )

    def test_core_check_is_a_sentence(self, backend: StorageBackend) -> None:
        """``activecore backends --check`` prints it."""
        sentence = backend.check()
        if not _is_sentence(sentence):
            fail(
                asked="check()",
                expected="one line of text, or a BackendError",
                came_back=repr(sentence),
                usually="nothing is returned when all is well",
            )

    def test_core_filesystem_offers_what_readers_need(
        self, backend: StorageBackend
    ) -> None:
        """Byte ranges, files and listings, by the paths that become sources."""
        import fsspec

        url = self.put_file("metadata.bin", _DATA)
        fs = backend.filesystem(url)
        if not isinstance(fs, fsspec.AbstractFileSystem):
            fail(
                asked=f"filesystem({url!r})",
                expected="an fsspec filesystem",
                came_back=f"a {type(fs).__name__}",
                usually="wrap the store's client in fsspec.AbstractFileSystem",
            )
        path = fs._strip_protocol(url)  # noqa: SLF001 - fsspec's own way to get a path
        for text, right, ask in _file_questions(fs, path):
            try:
                got: Any = ask()
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                got = f"{type(error).__name__}: {error}"
            if got != right:
                fail(
                    asked=f"{text} of a file of 200 bytes at {url!r}",
                    expected=f"{right!r}",
                    came_back=f"{got!r}",
                    usually="the filesystem lacks a method that readers use, or names "
                    "paths otherwise than sources",
                )

    def test_capability_conditional_filesystem_is_right(
        self, backend: StorageBackend
    ) -> None:
        """What ``ConditionalFileSystem`` promises, where the filesystem is one."""
        url = self.put_file("metadata.bin", _DATA)
        fs = backend.filesystem(url)
        if not isinstance(fs, ConditionalFileSystem):
            pytest.skip("not offered: the filesystem is no ConditionalFileSystem")
        empty = self.put_file("empty.bin", b"")
        paths = [fs._strip_protocol(one) for one in (url, empty)]  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        for text, right, ask in _conditional_questions(fs, *paths):
            try:
                got: Any = ask()
            except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
                got = f"{type(error).__name__}: {error}"
            if got != right:
                fail(
                    asked=f"{text} of a file of 200 bytes at {url!r}",
                    expected=f"{right!r}",
                    came_back=f"{got!r}",
                    usually="bytes and version come from two replies, or an argument "
                    "that is not known is swallowed by **kwargs",
                )

    def test_core_filesystem_says_that_nothing_is_there(
        self, backend: StorageBackend
    ) -> None:
        """``exists`` is False, and reading raises ``FileNotFoundError``."""
        url = self.put_file("metadata.bin", _DATA)
        fs = backend.filesystem(url)
        missing = f"{fs._strip_protocol(url)}-that-is-not-there"  # noqa: SLF001 - as above
        found = fs.exists(missing)
        try:
            came_back = f"exists: {found}; {len(fs.cat_file(missing))} bytes"
        except FileNotFoundError:
            if found is False:
                return
            came_back = f"exists: {found}"
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            came_back = f"exists: {found}; {type(error).__name__}: {error}"
        fail(
            asked="a file that is not there",
            expected="exists: False; FileNotFoundError",
            came_back=came_back,
            usually="the store's own 'not found' is not translated",
        )


def _conditional_questions(
    fs: ConditionalFileSystem, path: str, empty: str
) -> list[tuple[str, object, Callable[[], object]]]:
    info = fs.info(path)
    etag = strong_etag(info)
    missing = f"{path}-that-is-not-there"

    def read_another_version() -> str:
        try:
            (got,) = fs.cat_ranges([path], [0], [9], if_match='"of-no-object"')
        except SourceChanged as error:
            got = error
        return type(got).__name__

    def look_at_nothing() -> str:
        try:
            fs.info_and_ends(missing, 50, 20)
        except FileNotFoundError:
            return "FileNotFoundError"
        return "an answer"

    def read_two() -> tuple[object, bool]:
        there, absent = fs.read_with_info([path, missing])
        return there, isinstance(absent, FileNotFoundError)

    def read_ranges() -> list[bytes]:
        found = fs.cat_ranges([path] * 2, [150, 3], [160, 5], if_match=etag)
        return [bytes(one) for one in found]

    ends = [(0, _DATA[:50]), (180, _DATA[180:])]
    return [
        ("a strong ETag in info()", True, lambda: etag is not None),
        ("full_name", info["name"], lambda: fs.full_name(path)),
        ("info_and_ends(50, 20)", (info, ends), lambda: _plain(fs, path, 50, 20)),
        (
            "info_and_ends(500, 500)",
            (info, [(0, _DATA)] * 2),
            lambda: _plain(fs, path, 500, 500),
        ),
        (
            "info_and_ends, where there is nothing,",
            "FileNotFoundError",
            look_at_nothing,
        ),
        ("read_with_info", ((info, _DATA), True), read_two),
        ("cat_ranges(if_match=)", [_DATA[150:160], _DATA[3:5]], read_ranges),
        (
            "cat_ranges(if_match=), of another version,",
            "SourceChanged",
            read_another_version,
        ),
        (
            "info_and_ends, of an empty file beside,",
            (fs.info(empty), b""),
            lambda: _joined(*_plain(fs, empty, 50, 20)),
        ),
    ]


def _plain(
    fs: ConditionalFileSystem, path: str, head: int, tail: int
) -> tuple[Info, Pieces]:
    info, pieces = fs.info_and_ends(path, head, tail)
    return info, [(start, bytes(data)) for start, data in pieces]


def _joined(info: Info, pieces: Pieces) -> tuple[Info, bytes]:
    return info, b"".join(data for _, data in pieces)


def _declarations(backend: StorageBackend) -> Iterator[tuple[str, bool]]:
    operations = backend.operations
    yield "name: a word", isinstance(backend.name, str) and backend.name.isidentifier()
    yield (
        f"operations: a frozenset of some of {sorted(OPERATIONS)}",
        (isinstance(operations, frozenset) and operations <= OPERATIONS),
    )
    yield "operations: 'select' among them", "select" in operations
    major, _ = backend.contract
    yield f"contract: written for {CONTRACT[0]}.x", major == CONTRACT[0]
    yield (
        "options_type: a BackendOptions",
        issubclass(backend.options_type, BackendOptions),
    )
    yield "options: an options_type", isinstance(backend.options, backend.options_type)
    for limit in ("concurrency", "batch_bytes", "batch_chunks"):
        yield f"{limit}: at least 1", getattr(backend, limit) >= 1


def _is_sentence(text: object) -> bool:
    return isinstance(text, str) and text.strip() != "" and len(text.splitlines()) == 1


def _file_questions(
    fs: Any, path: str
) -> list[tuple[str, object, Callable[[], object]]]:
    def read_by_file() -> bytes:
        with fs.open(path, "rb") as file:
            file.seek(150)
            return bytes(file.read(10))

    return [
        ("exists", True, lambda: bool(fs.exists(path))),
        ("isdir", False, lambda: bool(fs.isdir(path))),
        ("info()['size']", 200, lambda: fs.info(path)["size"]),
        ("find", [path], lambda: list(fs.find(path))),
        ("cat_file", _DATA, lambda: bytes(fs.cat_file(path))),
        (
            "cat_file(start=10, end=20)",
            _DATA[10:20],
            lambda: bytes(fs.cat_file(path, start=10, end=20)),
        ),
        ("open, seek(150), read(10)", _DATA[150:160], read_by_file),
    ]
