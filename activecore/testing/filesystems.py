"""Checks of the filesystem through which a backend shows its store to readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

from activecore.backend import StorageBackend
from activecore.errors import SourceChanged
from activecore.readers.remote.conditional import (
    ConditionalFileSystem,
    Info,
    Pieces,
    strong_etag,
)
from activecore.testing.harness import Harness, fail

__all__ = ["FilesystemChecks"]

_DATA = bytes(range(200))

_Question: TypeAlias = tuple[str, object, Callable[[], object]]
"""What is asked, in words; the right answer; how to ask."""


class FilesystemChecks(Harness):
    """What readers rely on when they open a source."""

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
        _hold(
            _file_questions(fs, path),
            url,
            usually="the filesystem lacks a method that readers use, or names paths "
            "otherwise than sources",
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
        _hold(
            _conditional_questions(fs, *paths),
            url,
            usually="bytes and version come from two replies, or an argument that is "
            "not known is swallowed by **kwargs",
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


def _hold(questions: Sequence[_Question], url: str, *, usually: str) -> None:
    """Ask each question of a file of ``_DATA``, and compare with the right answer."""
    for text, right, ask in questions:
        try:
            got: Any = ask()
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            got = f"{type(error).__name__}: {error}"
        if got != right:
            fail(
                asked=f"{text} of a file of 200 bytes at {url!r}",
                expected=f"{right!r}",
                came_back=f"{got!r}",
                usually=usually,
            )


def _file_questions(fs: Any, path: str) -> list[_Question]:
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


def _conditional_questions(
    fs: ConditionalFileSystem, path: str, empty: str
) -> list[_Question]:
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
