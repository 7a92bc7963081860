"""A store that was held to a version is not asked for it again at the end of a run."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr
from remote_files import FarBackend, FarFileSystem, objects_below, open_far

from activecore import BackendError, Cost, SourceChanged, StorageBackend

VALUES = np.arange(4000.0).reshape(40, 100)
ASKED = [(("info", "b/a.h5"),)]


class Confirming(FarBackend):
    """Says of its answers what ``says`` makes of their number."""

    batch_chunks = 3
    says = staticmethod(lambda number: True)
    cost = Cost(requests=1)
    asked = 0

    def reduce_chunks(self, batch):
        self.asked += 1
        partial = super().reduce_chunks(batch)
        confirmed = self.says(self.asked)
        return replace(partial, cost=self.cost, is_confirmed=confirmed)


@pytest.fixture
def fs(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(2, 100))
    return FarFileSystem({"b/a.h5": (tmp_path / "a.h5").read_bytes()})


def asked_at_the_end(monkeypatch, fs, backend, **kwargs):
    """Run a reduction, and give what the filesystem was asked after the opening."""
    array = open_far(monkeypatch, fs, "b/a.h5", "x", **kwargs)
    monkeypatch.setattr(array._session, "backends", (backend,))
    fs.rounds.clear()
    np.testing.assert_array_equal(array.max(axis=0), VALUES.max(axis=0))
    return fs.rounds


def test_nobody_asks_where_all_answers_are_confirmed(monkeypatch, fs):
    backend = Confirming(fs)
    assert asked_at_the_end(monkeypatch, fs, backend) == []
    assert backend.asked > 1


def test_nor_where_they_come_from_an_executor(monkeypatch, fs):
    with ThreadPoolExecutor(2) as executor:
        rounds = asked_at_the_end(monkeypatch, fs, Confirming(fs), executor=executor)
    assert rounds == []


def test_nor_where_each_chunk_is_answered_by_itself(monkeypatch, fs):
    class Single(StorageBackend):
        name = "single"

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def filesystem(self, url):
            return self.inner.filesystem(url)

        def reduce_chunk(self, request):
            return self.inner.reduce_chunk(request)

    assert asked_at_the_end(monkeypatch, fs, Single(Confirming(fs))) == []


@pytest.mark.parametrize(
    "says",
    [lambda _: False, lambda number: number != 2, lambda number: number == 1],
    ids=["no answer", "all but one", "only the first"],
)
def test_somebody_asks_where_an_answer_is_not(monkeypatch, fs, says):
    backend = Confirming(fs)
    backend.says = says
    assert asked_at_the_end(monkeypatch, fs, backend) == ASKED


def test_of_no_version_nothing_is_confirmed(monkeypatch, tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("x", data=VALUES, chunks=(2, 100))
    fs = FarFileSystem(objects_below(tmp_path / "x.zarr", "b/x.zarr"))
    array = open_far(monkeypatch, fs, "b/x.zarr", "x")
    monkeypatch.setattr(array._session, "backends", (Confirming(fs),))
    assert array.max() == VALUES.max()
    fs.objects["b/x.zarr/x/zarr.json"] += b" "
    with pytest.raises(SourceChanged):
        array.max()


@pytest.mark.parametrize("said", [None, 1, "yes", np.True_])
def test_what_is_neither_true_nor_false_is_refused(monkeypatch, fs, said):
    backend = Confirming(fs)
    backend.says = lambda _: said
    with pytest.raises(BackendError, match="is_confirmed that is no bool"):
        asked_at_the_end(monkeypatch, fs, backend)


def test_somebody_asks_where_nothing_was_read_during_the_run(monkeypatch, fs):
    backend = Confirming(fs)
    backend.cost = Cost()
    assert asked_at_the_end(monkeypatch, fs, backend) == ASKED
