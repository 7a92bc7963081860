"""Right answers from the real server, through activecore."""

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reductionist_parts import backend, options, server

import activecore as ac
from activecore import ChunkBatch, ChunkLayout, Codec, Missing
from activecore_reductionist.accuracy import ROUNDING
from activecore_reductionist.decimals import exact_text


def of_one(source, elements, operation, **how):
    layout = ChunkLayout(
        elements.dtype,
        elements.shape,
        missing=how.get("missing"),
        codecs=how.get("codecs", ()),
    )
    return ChunkBatch(
        layout, np.array([source], object), np.array([0]), np.array([how.get("size", elements.nbytes)]),
        tuple(slice(0, n, 1) for n in elements.shape), how.get("axis", tuple(range(elements.ndim))), operation,
    )  # fmt: skip


def adversaries():
    """Elements whose float32 sums are as wrong as they get: long axes, large offsets."""
    rng = np.random.default_rng(7)
    yield "ones", np.ones(1600, "f4")
    yield "one-large-first", np.r_[np.float32(2**24), np.ones(1600, "f4")]
    yield "one-large-last", np.r_[np.ones(1600, "f4"), np.float32(2**24)]
    yield "kelvin", (300 + rng.random(1600)).astype("f4")
    yield "far-from-zero", (1e7 + rng.random((400, 400, 4))).astype("f4")
    yield "growing", np.geomspace(1e-3, 1e6, 1600).astype("f4")
    yield "shrinking", np.geomspace(1e6, 1e-3, 1600).astype("f4")
    yield "thirds", np.full((800, 800), 1 / 3, "f4")
    yield (
        "cancelling",
        (rng.choice([-1, 1], (40, 1500)) * 1e6 + rng.random((40, 1500))).astype("f4"),
    )
    yield "ties", np.tile(np.array([2**23, 0.5, 0.5], "f4"), 500)


@pytest.mark.parametrize(
    ("name", "elements"),
    list(adversaries()),
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_the_server_s_float32_sums_stay_within_the_bound_that_is_documented(
    services, bucket, name, elements
):
    source = bucket.put(name, elements.tobytes())
    with backend(services, float32_sum_bound=1e-4) as asked:
        partial = asked.reduce_chunks(of_one(source, elements, "sum"))
    exact = elements.astype("f8").sum()
    allowed = ROUNDING * sum(elements.shape) * np.abs(elements.astype("f8")).sum()
    assert abs(partial.values[0].item() - exact) <= allowed


def test_longer_axes_than_the_bound_allows_are_never_summed_there(services, bucket):
    elements = np.ones((3000, 2000), "f4")
    source = bucket.put("ones", elements.tobytes())
    with backend(services) as asked:
        assert "float32_sum_bound" in asked.why_not(of_one(source, elements, "sum"))
        array_sum = asked.reduce_chunks(of_one(source, elements, "select", axis=()))
        assert array_sum.values[0].sum() == elements.size
    with backend(services, float32_sum_bound=1.3e-4) as asked:
        # 2000 together are within the bound, 3000 are not: one axis is summed here.
        partial = asked.reduce_chunks(of_one(source, elements, "sum"))
        assert partial.values[0].item() == elements.size
        assert partial.cost.bytes_received < elements.nbytes / 100


@settings(max_examples=20, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_the_server_reads_every_number_that_is_written_to_it_exactly(services, value):
    from services.bucket import Bucket

    if exact_text(value, np.dtype("f8")) is None:
        return
    with np.errstate(over="ignore"):
        beside = [np.nextafter(value, np.inf), np.nextafter(value, -np.inf)]
    elements = np.array([value, *beside])
    with Bucket(services.s3) as bucket, backend(services) as asked:
        source = bucket.put("numbers", elements.tobytes())
        missing = Missing((np.float64(value),))
        partial = asked.reduce_chunks(
            of_one(source, elements, "count", missing=missing)
        )
        assert partial.count.item() == (elements != value).sum()


@pytest.mark.parametrize("level", [1, 4, 9])
@pytest.mark.parametrize("dtype", ["i4", "u8", "f4", "f8"])
def test_compressed_and_shuffled_chunks_of_any_size_are_read_exactly(
    services, bucket, dtype, level
):
    rng = np.random.default_rng(level)
    with backend(services) as asked:
        for size in (1, 7, 4095, 100_003):
            elements = np.cumsum(rng.integers(0, 50, size)).astype(dtype)
            codecs = (
                Codec.of("shuffle", elementsize=elements.itemsize),
                Codec.of("zlib", level=level),
            )
            stored = codecs_encode(elements, level)
            source = bucket.put("chunk", stored)
            how = {"codecs": codecs, "size": len(stored)}
            partial = asked.reduce_chunks(
                of_one(source, elements, "select", axis=(), **how)
            )
            np.testing.assert_array_equal(partial.values[0][0], elements)
            partial = asked.reduce_chunks(of_one(source, elements, "max", **how))
            assert partial.values[0].item() == elements.max()


def codecs_encode(elements, level):
    import zlib

    planes = np.frombuffer(elements.tobytes(), "u1").reshape(-1, elements.itemsize).T
    return zlib.compress(planes.tobytes(), level)


@pytest.mark.parametrize("operation", ["min", "max", "sum"])
def test_nans_and_infinities_are_put_right(services, bucket, operation):
    rows = np.array(
        [
            [1, np.nan, 3],
            [-np.inf, -np.inf, -np.inf],
            [np.inf, 1, 2],
            [4, 5, 6],
            [3e38, 3e38, 3e38],
        ],
        "f4",
    )
    with backend(services) as asked:
        for row in rows:
            source = bucket.put("row", row.tobytes())
            partial = asked.reduce_chunks(of_one(source, row, operation))
            np.testing.assert_array_equal(
                partial.values[0].item(), getattr(row.astype("f8"), operation)()
            )


@pytest.fixture
def file(bucket, tmp_path):
    """A file whose variable has a default fill, a missing value and a NaN."""
    path = tmp_path / "tas.nc"
    values = np.random.default_rng(3).normal(280, 9, (24, 30, 40)).astype("f4")
    with netCDF4.Dataset(path, "w") as made:
        for name, length in zip("tyx", values.shape, strict=True):
            made.createDimension(name, length)
        tas = made.createVariable(
            "tas", "f4", tuple("tyx"), zlib=True, chunksizes=(4, 30, 20)
        )
        tas[:] = values
        tas[3, 4:9, 10:20] = np.ma.masked
        big = made.createVariable(
            "big", "f8", tuple("tyx"), zlib=True, chunksizes=(4, 30, 20)
        )
        big[:] = values
        big[3, 4:9, 10:20] = np.ma.masked
        counts = made.createVariable(
            "counts", "i4", tuple("tyx"), zlib=True, chunksizes=(4, 30, 20)
        )
        counts[:] = (values * 1e6).astype("i4")
    return path, bucket.upload(path)


@pytest.mark.parametrize("name", ["tas", "big", "counts"])
@pytest.mark.parametrize(
    "reduction", ["count", "sum", "mean", "min", "max", "var", "ptp", "any"]
)
def test_a_file_in_the_bucket_is_reduced_as_on_disk(services, file, name, reduction):
    path, url = file
    given = options(services).model_dump(exclude_defaults=True) | {
        "key": services.s3.key,
        "secret": services.s3.secret,
    }
    far = ac.open(url, name, backend="reductionist", storage_options=given)
    near = ac.open(path, name)
    for axis in (None, "t", ("y", "x")):
        got, right = (getattr(each[2:21, ::3], reduction)(axis) for each in (far, near))
        summed_there = name == "tas" and reduction in ("sum", "mean")
        np.testing.assert_allclose(
            got, right, rtol=ROUNDING * 100 if summed_there else 1e-14
        )
        np.testing.assert_array_equal(
            np.ma.getmaskarray(got), np.ma.getmaskarray(right)
        )


def test_weighted_means_work_and_little_travels(services, file):
    path, url = file
    given = {"url": services.reductionist.url, "endpoint_url": services.s3.endpoint_url,
             "key": services.s3.key, "secret": services.s3.secret}  # fmt: skip
    weights = {"y": np.cos(np.linspace(-1, 1, 30))}
    far = ac.open(url, "big", backend="reductionist", storage_options=given)
    with ac.record() as run:
        got = far.mean(("y", "x"), weights=weights)
    right = ac.open(path, "big").mean(("y", "x"), weights=weights)
    np.testing.assert_allclose(got, right, rtol=1e-14)
    assert run.bytes_received < run.bytes_read / 2


def test_no_old_chunk_is_answered_by_a_server_that_keeps_chunks(
    services, bucket, tmp_path
):
    arguments = ("--use-chunk-cache", "--chunk-cache-path", str(tmp_path))
    old, new = np.zeros(4, "f4"), np.ones(4, "f4")
    with server(tmp_path, *arguments) as (url, _), backend(services, url=url) as asked:
        for _ in range(5):
            for elements in (old, new):
                source = bucket.put("chunk", elements.tobytes())
                partial = asked.reduce_chunks(of_one(source, elements, "max"))
                assert partial.values[0].item() == elements.max()
