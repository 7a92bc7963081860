"""A filesystem far away, for tests: it counts what it is asked, and in which rounds."""

import hashlib
import time

from fsspec.spec import AbstractFileSystem

import activecore
from activecore import ByteRangeBackend, ChunkNotFound, SourceChanged
from activecore.config import load_settings


def etag_of(data):
    """Give the ETag that these filesystems give an object."""
    return f'"{hashlib.sha256(data).hexdigest()}"'


def objects_below(folder, key):
    """Give the files below a folder as objects below a key."""
    return {
        f"{key}/{file.relative_to(folder)}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


class FarFileSystem(AbstractFileSystem):
    """Objects in a dictionary, as an object store has them: prefixes, ETags, ranges.

    ``rounds`` holds one entry for each round trip: the ranges or words that were asked
    for in it. One ``cat_ranges`` is one round trip, as it is for filesystems that fetch
    in parallel; everything else waits for its answer.
    """

    cachable = False
    protocol = "far"

    def __init__(self, objects=None, *, delay=0.0, etags=True, fsid="far:store"):
        super().__init__()
        self.objects = {} if objects is None else objects
        self.rounds = []
        self.delay = delay
        self.etags = etags
        self._name = fsid

    @property
    def fsid(self):
        if self._name is None:
            raise NotImplementedError
        return self._name

    @property
    def requests(self):
        return sum(len(asked) for asked in self.rounds)

    @property
    def bytes_read(self):
        return sum(
            end - start
            for asked in self.rounds
            for start, end in asked
            if isinstance(start, int)
        )

    def _ask(self, *asked):
        self.rounds.append(asked)
        if self.delay:
            time.sleep(self.delay)

    def info(self, path, **_):
        self._ask(("info", path))
        if path in self.objects:
            return self._described(path)
        if any(name.startswith(f"{path.rstrip('/')}/") for name in self.objects):
            self._ask(("list", path))
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def _described(self, path):
        data = self.objects[path]
        found = {"name": path, "size": len(data), "type": "file"}
        if self.etags:
            found["ETag"] = etag_of(data)
        return found

    def isdir(self, path):
        self._ask(("list", path))
        return any(name.startswith(f"{path.rstrip('/')}/") for name in self.objects)

    def ls(self, path, detail=True, **_):
        self._ask(("list", path))
        below = f"{path.rstrip('/')}/"
        names = {
            below + name.removeprefix(below).split("/", 1)[0]
            for name in self.objects
            if name.startswith(below)
        }
        if not names:
            raise FileNotFoundError(path)
        found = [
            {"name": n, "size": len(self.objects[n]), "type": "file"}
            if n in self.objects
            else {"name": n, "size": 0, "type": "directory"}
            for n in sorted(names)
        ]
        return found if detail else [entry["name"] for entry in found]

    def _range(self, path, start, end):
        if path not in self.objects:
            raise FileNotFoundError(path)
        data = self.objects[path]
        start, end, _ = slice(start, end).indices(len(data))
        return start, max(start, end)

    def cat_file(self, path, start=None, end=None, **_):
        where = self._range(path, start, end)
        self._ask(where)
        return self.objects[path][slice(*where)]

    def cat_ranges(self, paths, starts, ends, max_gap=None, on_error="return", **_):
        answers, asked = [], []
        for path, start, end in zip(paths, starts, ends, strict=True):
            try:
                where = self._range(path, start, end)
                answers.append(self.objects[path][slice(*where)])
            except FileNotFoundError as error:
                if on_error != "return":
                    raise
                where = ("absent", path)
                answers.append(error)
            asked.append(where)
        self._ask(*asked)
        return answers

    def _open(self, path, mode="rb", **options):
        raise AssertionError("a file far away was opened as if it were near")


class ConditionalFarFileSystem(FarFileSystem):
    """One whose store can be held to a version, and that gives both ends at once."""

    def full_name(self, path):
        return path

    def info_and_ends(self, path, head_bytes, tail_bytes):
        if path not in self.objects:
            return self.info(path), []
        data = self.objects[path]
        info = self._described(path)
        ends = {
            0: data[:head_bytes],
            max(0, len(data) - tail_bytes): data[-tail_bytes:],
        }
        self._ask(*((start, start + len(part)) for start, part in ends.items()))
        return info, list(ends.items())

    def read_with_info(self, paths):
        found = [
            (self._described(path), self.objects[path])
            if path in self.objects
            else FileNotFoundError(path)
            for path in paths
        ]
        self._ask(*((0, len(self.objects.get(path, b""))) for path in paths))
        return found

    def cat_ranges(self, paths, *args, if_match=None, **kwargs):
        for path in set(paths) & set(self.objects):
            if if_match not in (None, etag_of(self.objects[path])):
                raise SourceChanged(path)
        return super().cat_ranges(paths, *args, **kwargs)


class FarBackend(ByteRangeBackend):
    """Reduces what lies in a ``FarFileSystem``; reading chunks is not counted there."""

    name = "far"

    def __init__(self, fs):
        super().__init__()
        self._fs = fs

    def filesystem(self, url):
        return self._fs

    def read_range(self, source, offset, size):
        if source not in self._fs.objects:
            raise ChunkNotFound(source)
        data = self._fs.objects[source]
        return data[offset:] if size == -1 else data[offset : offset + size]


def open_far(monkeypatch, fs, path, *args, cache=None, **kwargs):
    """``activecore.open`` a path of a ``FarFileSystem``; the cache's folder, or none."""
    monkeypatch.setattr(
        "activecore.api.make_backends", lambda *_, **__: [FarBackend(fs)]
    )
    settings = load_settings(
        index_cache=cache is not None,
        index_cache_dir=None if cache is None else str(cache),
        **kwargs.pop("keys", {}),
    )
    return activecore.open(path, *args, settings=settings, **kwargs)
