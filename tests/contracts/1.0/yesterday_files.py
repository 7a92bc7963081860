"""A reader, as contract 1.0 had it. Frozen: never edit.

A file is ``YESTERDAY``, a line of JSON (variable -> shape, fill), then float32 arrays.
"""

import json
from dataclasses import dataclass

import numpy as np

import activecore as ac

MAGIC = b"YESTERDAY"


@dataclass(frozen=True)
class Rows:
    source: str
    offset: int
    shape: tuple

    @property
    def chunk_shape(self):
        return (1, *self.shape[1:])

    def locate(self, coords):
        size = 4 * int(np.prod(self.shape[1:]))
        n = len(coords)
        return ac.Located(
            sources=np.full(n, self.source, dtype=object),
            offsets=self.offset + size * coords[:, 0],
            sizes=np.full(n, size),
            layouts=np.zeros(n, dtype=np.int64),
        )


class YesterdayFiles(ac.Reader):
    name = "yesterdayfiles"

    @classmethod
    def recognises(cls, fs, path, head):
        return head.startswith(MAGIC)

    def __init__(self, fs, path, *, group="/"):
        with fs.open(path, "rb") as file:
            line = file.readline()
        self._path = path
        self._begin = len(line)
        self._header = json.loads(line[len(MAGIC) :])
        self._version = ac.source_version(fs.info(path))

    def variables(self):
        return {
            name: ac.VariableInfo(name, tuple(h["shape"]), ("t", "x"), np.dtype("f4"))
            for name, h in self._header.items()
        }

    def array(self, name):
        offset = self._begin
        for known, header in self._header.items():
            shape = tuple(header["shape"])
            if known == name:
                break
            offset += 4 * int(np.prod(shape))
        else:
            raise ac.VariableNotFound(f"{self._path} has no variable {name!r}")
        fill = np.float32(header["fill"])
        layout = ac.ChunkLayout("<f4", (1, *shape[1:]), missing=ac.Missing((fill,)))
        return ac.ArrayInfo(
            name=name,
            shape=shape,
            dims=("t", "x"),
            dtype=np.dtype("f4"),
            chunks=(1, *shape[1:]),
            attrs={},
            layouts=(layout,),
            index=Rows(self._path, offset, shape),
            version=self._version,
            version_source=self._path,
            source=self._path,
        )

    def close(self):
        pass


@ac.hookimpl
def activecore_reader():
    return YesterdayFiles
