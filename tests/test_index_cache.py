"""The index cache: opening again costs one request, and never a wrong answer."""

import errno
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_files import ConditionalFarFileSystem, FarFileSystem, open_far

from activecore.config import load_settings
from activecore.errors import BackendUnavailable
from activecore.readers.remote.cache import IndexCache, Key
from activecore.readers.remote.intervals import Intervals

KEY = Key("far:store", "bucket/x", 1000, '"abc"')


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def entries(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def held(*pieces):
    found = Intervals()
    for start, data in pieces:
        found.put(start, data)
    return found


def pieces(found):
    return [(start, bytes(piece)) for start, piece in found]


def write(path, value, *, kind="netcdf4"):
    if kind == "classic":
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as ds:
            ds.createDimension("x", 400_000)
            ds.createVariable("tas", "f8", ("x",))[:] = value
    else:
        libver = "latest" if kind == "extensible" else "earliest"
        with h5py.File(path, "w", libver=libver) as file:
            tas = file.create_dataset(
                "tas", (400, 1000), "f8", chunks=(1, 1000), maxshape=(None, 1000)
            )
            tas[:] = value


@pytest.fixture
def objects(tmp_path):
    """A file of ones, as the one object of a store."""
    write(tmp_path / "tas.nc", 1)
    return {"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()}


def assert_one_request_opens_it(monkeypatch, fs, cache):
    array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
    assert fs.rounds == [(("info", "bucket/tas.nc"),)]
    assert array.mean() == 1


@pytest.mark.parametrize("kind", ["netcdf4", "extensible", "classic"])
def test_opening_again_costs_one_request(monkeypatch, tmp_path, cache, kind):
    write(tmp_path / "tas.nc", 1, kind=kind)
    objects = {"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()}
    first = FarFileSystem(objects)
    array = open_far(monkeypatch, first, "bucket/tas.nc", "tas", cache=cache)
    assert array.mean() == 1
    assert [path.stat().st_mode & 0o777 for path in entries(cache)] == [0o600]
    (folder,) = cache.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert_one_request_opens_it(monkeypatch, FarFileSystem(objects), cache)


def test_the_first_opening_takes_one_round_more(monkeypatch, objects, cache):
    without, with_cache = FarFileSystem(objects), FarFileSystem(objects)
    open_far(monkeypatch, without, "bucket/tas.nc", "tas")
    open_far(monkeypatch, with_cache, "bucket/tas.nc", "tas", cache=cache)
    assert with_cache.rounds == [*without.rounds, (("info", "bucket/tas.nc"),)]
    assert len(with_cache.rounds) <= 4


def assert_a_cache_costs_no_round(monkeypatch, objects, cache):
    without, with_cache = (
        ConditionalFarFileSystem(objects),
        ConditionalFarFileSystem(objects),
    )
    open_far(monkeypatch, without, "bucket/tas.nc", "tas")
    array = open_far(monkeypatch, with_cache, "bucket/tas.nc", "tas", cache=cache)
    assert with_cache.rounds == without.rounds
    assert array.mean() == 1


def test_it_does_not_where_the_store_is_held_to_the_version(
    monkeypatch, objects, cache
):
    assert_a_cache_costs_no_round(monkeypatch, objects, cache)
    assert_one_request_opens_it(monkeypatch, ConditionalFarFileSystem(objects), cache)


def test_a_store_without_a_name_is_opened_all_the_same(monkeypatch, objects, cache):
    fs = ConditionalFarFileSystem(objects, fsid=None)
    assert open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache).mean() == 1
    assert entries(cache) == []


def test_what_is_kept_of_another_version_is_read_anew(monkeypatch, tmp_path, cache):
    for value in (1, 2):
        write(tmp_path / "tas.nc", value)
        objects = {"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()}
        fs = ConditionalFarFileSystem(objects)
        array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
        assert array.mean() == value


def test_a_dataset_keeps_what_each_of_its_variables_needs(monkeypatch, tmp_path, cache):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for name in ("one", "two"):
            file[f"{name}_filler"] = np.zeros(1 << 18)
            chunks = np.arange(2000.0).reshape(20, 100)
            file.create_dataset(name, data=chunks, chunks=(1, 100))
    objects = {"b/a.nc": (tmp_path / "a.nc").read_bytes()}
    for number in (1, 2):
        fs = FarFileSystem(objects)
        with open_far(monkeypatch, fs, "b/a.nc", cache=cache) as ds:
            assert list(ds) == ["one", "one_filler", "two", "two_filler"]
            assert ds["one"].shape == ds["two"].shape
        assert len(fs.rounds) == 1 or number == 1


def test_a_changed_object_is_read_anew_and_replaces_what_was_kept(
    monkeypatch, tmp_path, cache
):
    for value in (1, 2, 3):
        write(tmp_path / "tas.nc", value)
        fs = FarFileSystem({"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()})
        array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
        assert array.mean() == value
        assert len(fs.rounds) > 1
        assert len(entries(cache)) == 1


class Changing(FarFileSystem):
    """Holds another object after it has been looked at."""

    later = None

    def cat_ranges(self, *args, **how):
        self.objects["bucket/tas.nc"] = self.later
        return super().cat_ranges(*args, **how)


def test_an_object_that_changes_while_it_is_opened_is_not_kept(
    monkeypatch, tmp_path, cache
):
    write(tmp_path / "old.nc", 1)
    write(tmp_path / "tas.nc", 2)
    fs = Changing({"bucket/tas.nc": (tmp_path / "old.nc").read_bytes()})
    fs.later = (tmp_path / "tas.nc").read_bytes()
    open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
    assert entries(cache) == []


class Failing(FarFileSystem):
    """Says what an object is once; its errors are a store's own, or the system's."""

    failure = None

    def info(self, path, **how):
        if self.rounds:
            raise self.failure
        return super().info(path, **how)


@pytest.mark.parametrize("failure", [BackendUnavailable("down"), TimeoutError("slow")])
def test_a_store_that_does_not_confirm_what_it_was_is_no_error(
    monkeypatch, tmp_path, cache, failure
):
    write(tmp_path / "tas.nc", 1)
    fs = Failing({"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()})
    fs.failure = failure
    array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
    assert array.shape == (400, 1000)
    assert entries(cache) == []


def test_two_objects_of_one_path_are_kept_apart_by_their_names():
    # The path of a bare key is the same in each bucket that is configured for it.
    keys = {
        Key.of(FarFileSystem(), "x.nc", {"name": name, "size": 1, "ETag": '"e"'}).name
        for name in ("s3://one/x.nc", "s3://two/x.nc")
    }
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("info", "fsid"),
    [
        ({"size": 10}, "s"),
        ({"size": 10, "ETag": 'W/"abc"'}, "s"),
        ({"size": 10, "ETag": ""}, "s"),
        ({"size": 10, "ETag": '""'}, "s"),
        ({"size": 10, "ETag": None}, "s"),
        ({"size": None, "ETag": '"abc"'}, "s"),
        ({"size": 10, "ETag": '"abc"'}, None),
    ],
)
def test_without_a_strong_etag_and_a_store_nothing_is_kept(info, fsid):
    assert Key.of(FarFileSystem(fsid=fsid), "x", info) is None
    assert Key.of(FarFileSystem(), "x", {"size": 1, "ETag": '"a"'}) is not None


@pytest.mark.parametrize("what", ["etags", "fsid", "switched off"])
def test_what_may_not_be_kept_is_not(monkeypatch, tmp_path, cache, what):
    write(tmp_path / "tas.nc", 1)
    objects = {"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()}
    how = {"etags": {"etags": False}, "fsid": {"fsid": None}}.get(what, {})
    fs = FarFileSystem(objects, **how)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    off = what == "switched off"
    open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=None if off else cache)
    assert entries(tmp_path / "cache") == []


def test_local_files_are_not_kept(monkeypatch, tmp_path, cache):
    import activecore

    write(tmp_path / "tas.nc", 1)
    found = load_settings(index_cache_dir=str(cache))
    assert activecore.open(tmp_path / "tas.nc", "tas", settings=found).mean() == 1
    assert not cache.exists()


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=90)), max_size=8
    )
)
def test_what_is_kept_comes_back(tmp_path_factory, parts):
    cache = IndexCache(tmp_path_factory.mktemp("cache"), 1 << 20)
    known = held(*parts)
    cache.store(KEY, known)
    assert pieces(cache.load(KEY)) == pieces(known)


@pytest.mark.parametrize(
    "other",
    [
        Key("far:other", "bucket/x", 1000, '"abc"'),
        Key("far:store", "bucket/y", 1000, '"abc"'),
        Key("far:store", "bucket/x", 1001, '"abc"'),
        Key("far:store", "bucket/x", 1000, '"abd"'),
    ],
)
def test_every_part_of_the_key_counts(cache, other):
    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    # Not the file's name alone: it could be given to another.
    (path,) = entries(cache)
    path.rename(path.with_name(other.name))
    assert kept.load(other) is None


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_entry_is_ignored(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cache")
    cache = IndexCache(folder, 1 << 20)
    cache.store(KEY, held((0, b"0123456789" * 5), (300, b"abc")))
    (path,) = entries(folder)
    content = bytearray(path.read_bytes())
    how = data.draw(st.sampled_from(["flip", "cut", "grow", "empty", "rubbish"]))
    if how == "flip":
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(
            st.integers(1, 255)
        )
    elif how == "cut":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    elif how == "grow":
        content += b"!"
    else:
        content = b"" if how == "empty" else data.draw(st.binary(max_size=200))
    path.write_bytes(content)
    assert cache.load(KEY) is None
    cache.store(KEY, held((0, b"new")))
    assert pieces(cache.load(KEY)) == [(0, b"new")]


def test_a_damaged_entry_is_logged_and_read_anew(monkeypatch, tmp_path, cache, caplog):
    write(tmp_path / "tas.nc", 1)
    objects = {"bucket/tas.nc": (tmp_path / "tas.nc").read_bytes()}
    for _ in range(2):
        fs = FarFileSystem(objects)
        array = open_far(monkeypatch, fs, "bucket/tas.nc", "tas", cache=cache)
        assert array.mean() == 1
        (path,) = entries(cache)
        path.write_bytes(path.read_bytes()[:-1])
    assert "is ignored" in caplog.text
    assert len(fs.rounds) > 1


def test_an_entry_is_never_unpickled(cache, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    (path,) = entries(cache)
    path.write_bytes(pickle.dumps(Bomb()))
    assert kept.load(KEY) is None
    assert not (tmp_path / "exploded").exists()


def test_what_somebody_else_could_have_written_is_not_read(cache, caplog):
    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    (folder,) = cache.iterdir()
    for mode in (0o770, 0o705, 0o777):
        folder.chmod(mode)
        assert kept.load(KEY) is None
        kept.store(KEY, held((0, b"two")))
    folder.chmod(0o700)
    assert pieces(kept.load(KEY)) == [(0, b"one")]
    assert "0700" in caplog.text


def test_a_link_in_place_of_an_entry_or_the_folder_is_not_followed(cache, tmp_path):
    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    (path,) = entries(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept.load(KEY) is None
    (folder,) = cache.iterdir()
    path.unlink()
    folder.rename(tmp_path / "folder")
    folder.symlink_to(tmp_path / "folder")
    kept.store(KEY, held((0, b"one")))
    assert entries(tmp_path / "folder") == []


def test_a_full_disk_is_no_error_and_leaves_nothing(cache, monkeypatch, caplog):
    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    real = os.fdopen

    def full(*args):
        file = real(*args)
        file.close()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        kept.store(KEY, held((0, b"two")))
    assert "not kept" in caplog.text
    assert len(entries(cache)) == 1
    assert pieces(kept.load(KEY)) == [(0, b"one")]


def test_a_disk_that_is_really_full_is_no_error():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    code = """
        import resource, signal, sys, tempfile
        from activecore.readers.remote.cache import IndexCache, Key
        from activecore.readers.remote.intervals import Intervals
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        held = Intervals()
        held.put(0, bytes(50_000))
        key = Key("far", "x", 50_000, '"a"')
        with tempfile.TemporaryDirectory() as folder:
            IndexCache(folder, 1 << 20).store(key, held)
            assert IndexCache(folder, 1 << 20).load(key) is None
            import pathlib
            assert not [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("what", ["a file", "nowhere to write"])
def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, caplog, what):
    place = tmp_path / "place"
    place.write_text("a file, no folder")
    folder = place if what == "a file" else Path("/proc/nobody/cache")
    kept = IndexCache(folder, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    assert kept.load(KEY) is None
    assert "not kept" in caplog.text


def test_a_folder_that_may_not_be_looked_into_changes_nothing_else(
    monkeypatch, objects, tmp_path
):
    # Too long a name is refused to everybody; a lack of rights not to root.
    assert_a_cache_costs_no_round(monkeypatch, objects, tmp_path / ("x" * 300))


def test_the_oldest_go_first_when_there_is_too_much(cache):
    kept = IndexCache(cache, 5000)
    keys = [Key("far:store", f"x{n}", 1000, '"abc"') for n in range(8)]
    for number, key in enumerate(keys):
        kept.store(key, held((0, bytes(1000))))
        os.utime(cache / "index-1" / key.name, (number, number))
        assert sum(path.stat().st_size for path in entries(cache)) <= 5000
    # What is used again is not old any more.
    assert kept.load(keys[4]) is not None
    kept.store(keys[0], held((0, bytes(1000))))
    there = {number for number, key in enumerate(keys) if kept.load(key) is not None}
    assert there == {0, 4, 6, 7}


def test_an_entry_larger_than_the_whole_cache_is_not_kept(cache):
    kept = IndexCache(cache, 500)
    kept.store(KEY, held((0, bytes(1000))))
    assert kept.load(KEY) is None
    assert entries(cache) == []


def test_what_was_left_unfinished_is_removed_when_it_is_old(cache):
    kept = IndexCache(cache, 1 << 20)
    kept.store(KEY, held((0, b"one")))
    folder = cache / "index-1"
    for name, age in (("new-old", 7200), ("new-young", 10)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / "a stranger's file").write_bytes(b"x")
    kept.store(KEY, held((0, b"two")))
    names = {path.name for path in entries(cache)}
    assert names == {KEY.name, "new-young", "a stranger's file"}


def _hammer(folder, seed, failed):
    # Each process writes and reads the same few entries, in a cache of two of them.
    logging.disable(logging.CRITICAL)
    rng = np.random.default_rng(seed)
    kept = IndexCache(folder, 150_000)
    for _ in range(150):
        number = int(rng.integers(4))
        key = Key("far", f"x{number}", 60_000, f'"{number}"')
        if rng.random() < 0.5:
            kept.store(key, held((number, bytes([number]) * 50_000)))
        else:
            found = kept.load(key)
            expected = [(number, bytes([number]) * 50_000)]
            if found is not None and pieces(found) != expected:
                failed.set()
    logging.disable(logging.NOTSET)


def test_processes_side_by_side_never_see_halves(cache):
    context = multiprocessing.get_context("spawn")
    failed = context.Event()
    workers = [
        context.Process(target=_hammer, args=(cache, seed, failed)) for seed in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert not failed.is_set()
    assert sum(path.stat().st_size for path in entries(cache)) <= 150_000


# --- what is configured -------------------------------------------------------------


def test_the_folder_is_the_user_s_unless_another_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_settings().at().index_cache_folder == str(tmp_path / "activecore")
    monkeypatch.setenv("ACTIVECORE_INDEX_CACHE_DIR", "~/mine")
    monkeypatch.setenv("HOME", "/home/me")
    assert load_settings().at().index_cache_folder == "/home/me/mine"
    monkeypatch.setenv("ACTIVECORE_INDEX_CACHE", "false")
    assert load_settings().at().index_cache_folder is None


def test_a_route_s_profile_may_turn_it_off(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        "[[routes]]\nprefix = 's3://fast/'\nprofile = 'fast'\n"
        "[profiles.fast]\nindex_cache = false\n"
    )
    found = load_settings(file)
    assert found.at("s3://fast/x").index_cache_folder is None
    assert found.at("s3://slow/x").index_cache_folder is not None
