"""The backend ``s3numpy`` on moto's server: what users ask of it, and its seams."""

import io
from importlib.metadata import entry_points
from importlib.resources import files

import h5netcdf
import numpy as np
import pytest

import activecore as ac
from activecore_s3numpy import S3NumpyBackend, activecore_backend


@pytest.fixture
def backend(store):
    backend = S3NumpyBackend(store.options())
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def elements():
    return np.random.default_rng(4).normal(280, 10, (40, 6, 8)).astype("f4")


@pytest.fixture(scope="module")
def netcdf(store, elements):
    """The URL of a netCDF4 file of many compressed chunks."""
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        file.dimensions = {"time": 40, "lat": 6, "lon": 8}
        variable = file.create_variable(
            "tas", ("time", "lat", "lon"), "f4",
            fillvalue=np.float32(-999), chunks=(4, 6, 8), compression="gzip", shuffle=True,
        )  # fmt: skip
        variable[...] = elements
    return store.put("data", "tas.nc", content.getvalue())


def storage_options(store):
    return {"endpoint_url": store.url, "key": store.key, "secret": store.secret}


def test_entry_points_give_the_backend_and_its_schemes():
    (entry,) = entry_points(group="activecore", name="s3numpy")
    assert entry.load().activecore_backend() is activecore_backend() is S3NumpyBackend
    schemes = entry_points(group="activecore.schemes")
    for scheme in ("s3", "https", "http"):
        assert [e.value for e in schemes if e.name == scheme] == [entry.value]


def test_contract_is_written_out_and_is_the_core_s():
    assert S3NumpyBackend.contract == (1, 0)
    assert S3NumpyBackend.contract[0] == ac.CONTRACT[0]


def test_the_package_is_typed():
    assert files("activecore_s3numpy").joinpath("py.typed").is_file()


def test_a_file_in_a_bucket_is_opened_and_reduced_by_its_scheme_alone(
    store, netcdf, elements
):
    tas = ac.open(netcdf, "tas", storage_options=storage_options(store))
    right = elements.astype("f8").mean(axis=0)
    np.testing.assert_allclose(tas.mean(axis="time"), right, rtol=1e-12)


def test_neighbouring_chunks_come_in_one_request(store, netcdf):
    tas = ac.open(netcdf, "tas", storage_options=storage_options(store))
    with ac.record() as run:
        tas.max()
    assert (run.chunks, run.requests) == (10, 1)


@pytest.mark.parametrize(
    ("offset", "size", "wrong"),
    [
        (0, 0, ac.ChunkDecodeError),
        (12, 0, ac.ChunkReadError),
        (-8, 12, ac.ChunkReadError),
        (2**63 - 20, 12, ac.ChunkReadError),
        (2**63 - 1, 12, ac.ChunkReadError),
    ],
)
def test_what_a_damaged_index_says_is_an_error_that_names_the_chunk(
    backend, store, offset, size, wrong
):
    source = store.put("data", "twelve", bytes(12))
    batch = ac.ChunkBatch(
        layout=ac.ChunkLayout("<i4", (3,)),
        sources=np.array([source], dtype=object),
        offsets=np.array([offset]),
        sizes=np.array([size]),
        selection=(slice(0, 3, 1),),
        axis=(0,),
        operation="sum",
    )
    with pytest.raises(wrong) as failed:
        backend.reduce_chunks(batch)
    assert failed.value.position == 0


def test_a_bare_key_lies_in_the_bucket_that_is_configured(store, netcdf):
    options = {**storage_options(store), "bucket": "data"}
    tas = ac.open("tas.nc", "tas", backend="s3numpy", storage_options=options)
    assert tas.shape == (40, 6, 8)


def test_a_bare_key_without_a_bucket_is_refused_with_what_to_write(store):
    with pytest.raises(ac.ConfigError, match="write s3://bucket/key, or set"):
        ac.open("tas.nc", backend="s3numpy", storage_options=storage_options(store))


def test_check_says_in_one_sentence_who_asks_whom(backend, store):
    assert backend.check() == f"{store.url} answers; it is asked with credentials"
