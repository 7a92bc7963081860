"""What ``docs/reductionist.md`` says of the real server, seen on the real server.

Asked without any code of ours. When one of these fails, a new release of the server
does better (or worse), and the page, the refusals and the repairs want a look.
"""

import json
import zlib

import numcodecs
import numpy as np
import pytest
from reductionist_parts import Raw, server


@pytest.fixture
def raw(services, bucket):
    return Raw(services, bucket)


A = np.arange(24, dtype="f4").reshape(2, 3, 4)


def test_reduced_axes_are_dropped_from_the_shape_and_counts_are_a_list(raw):
    reply = raw.ask("sum", A, axis=[0, 2])
    assert reply["values"].tolist() == [60, 92, 124]
    assert reply["count"] == [8, 8, 8]
    assert reply["dtype"] == "float32"
    assert raw.ask("count", A, axis=[0, 2])["dtype"] == "int64"


def test_counts_come_as_bytes_if_asked(raw):
    reply = raw.ask("sum", A, axis=[0], option_count_as_bytes=True)
    assert reply["count"] == []
    assert np.frombuffer(reply["count_as_bytes"], "<i8").tolist() == [2] * 12


@pytest.mark.parametrize("axis", [[2, 0], [0, 0], [3]])
def test_axes_must_ascend_without_repeats_and_exist(raw, axis):
    status, text = raw.ask("sum", A, axis=axis)
    assert status == 400
    assert "error" in json.loads(text)


@pytest.mark.parametrize("operation", ["min", "max"])
def test_a_nan_makes_an_extreme_drop_the_connection_even_outside_a_valid_range(
    raw, operation
):
    elements = np.array([1, np.nan, 3], "f4")
    assert raw.ask(operation, elements, axis=[0]) is None
    assert (
        raw.ask(operation, elements, axis=[0], missing={"valid_range": [0, 9]}) is None
    )


def test_a_nan_is_counted_summed_and_selected(raw):
    elements = np.array([1, np.nan, 3], "f4")
    assert raw.ask("count", elements, axis=[0])["count"] == [3]
    assert np.isnan(raw.ask("sum", elements, axis=[0])["values"])
    assert np.isnan(raw.ask("select", elements)["values"]).tolist() == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_maximum_of_infinities_is_the_number_that_it_starts_from(raw, dtype):
    elements = np.full(3, -np.inf, dtype)
    assert raw.ask("max", elements, axis=[0])["values"] == np.finfo(dtype).min
    assert raw.ask("min", -elements, axis=[0])["values"] == np.finfo(dtype).max


def test_nothing_left_is_count_zero_and_the_number_that_it_starts_from(raw):
    reply = raw.ask("max", A, axis=[0, 1, 2], missing={"valid_min": 1000})
    assert reply["count"] == [0]
    assert reply["values"] == np.finfo("f4").min


def test_integers_wrap(raw):
    assert raw.ask("sum", np.full(100, 2**30, "i4"), axis=[0])["values"] == 0
    assert raw.ask("sum", np.full(4, 2**62, "i8"), axis=[0])["values"] == 0


def test_float32_is_summed_in_float32_and_worse_without_axes(raw):
    elements = (np.random.default_rng(0).random((10, 480, 640)) * 560).astype("f4")
    exact = elements.astype("f8").sum()
    listed = raw.ask("sum", elements, axis=[0, 1, 2])["values"]
    flat = raw.ask("sum", elements)["values"]
    assert abs(listed / exact - 1) < 1e-5
    assert abs(flat / exact - 1) > 1e-4


def test_a_long_axis_of_ones_stops_growing(raw):
    assert raw.ask("sum", np.ones(2**25, "f4"), axis=[0])["values"] == 2**24


@pytest.mark.parametrize(
    "missing",
    [
        {"valid_min": 3, "valid_max": 4},
        {"valid_range": [3, 3]},
        {"missing_value": float("nan")},
        {"missing_value": 1e39},
    ],
)
def test_rules_that_are_refused(raw, missing):
    status, _ = raw.ask("sum", A, axis=[0], missing=missing)
    assert status == 400


@pytest.mark.parametrize("value", [1.5, 2**31])
def test_rules_of_integers_that_are_refused(raw, value):
    status, _ = raw.ask(
        "sum", np.arange(4, dtype="i4"), axis=[0], missing={"missing_value": value}
    )
    assert status == 400


def test_netcdf_s_fill_value_for_doubles_is_misread_as_the_float64_beside_it(raw):
    fill = 9.969209968386869e36
    elements = np.array([fill, 1.0])
    usual = raw.ask("count", elements, axis=[0], missing={"missing_value": fill})
    assert usual["count"] == [2]

    def exact(body):
        return body[:-1] + ',"missing":{"missing_value":99692099683868690e20}}'

    assert raw.ask("count", elements, axis=[0], text=exact)["count"] == [1]


def test_intact_bit_shuffled_blosc_is_decoded_to_wrong_values(raw):
    elements = np.random.default_rng(0).integers(0, 1000, 5395).astype("i4")
    stored = bytes(numcodecs.Blosc(cname="lz4", clevel=5, shuffle=2).encode(elements))
    reply = raw.ask("select", elements, stored=stored, compression={"id": "blosc2"})
    assert reply["values"].shape == elements.shape
    assert not np.array_equal(reply["values"], elements)


def test_zlib_s_checksum_is_verified_and_what_follows_it_is_not_seen(raw):
    stored = bytearray(zlib.compress(A.tobytes()))
    assert (
        raw.ask("sum", A, stored=bytes(stored) + b"more", compression={"id": "zlib"})[
            "values"
        ]
        == 276
    )
    stored[-1] ^= 1
    status, text = raw.ask("sum", A, stored=bytes(stored), compression={"id": "zlib"})
    assert status == 400
    assert "Mismatched Adler" in text


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "f2"])
def test_narrow_dtypes_are_refused(raw, dtype):
    status, text = raw.ask("sum", np.zeros(4, dtype))
    assert status == 400
    assert "unknown variant" in text


def test_wrong_secrets_are_401_and_unknown_keys_500(raw, services):
    status, text = raw.ask("sum", A, auth=(services.s3.key, "wrong"))
    assert (status, "SignatureDoesNotMatch" in text) == (401, True)
    status, text = raw.ask("sum", A, auth=("nobody", "wrong"))
    assert (status, "XAdminUserNotFound" in text) == (500, True)


def test_the_cache_of_chunks_answers_from_an_object_that_was_overwritten(
    services, bucket, tmp_path
):
    old, new = np.zeros(4, "f4"), np.ones(4, "f4")
    arguments = ("--use-chunk-cache", "--chunk-cache-path", str(tmp_path))
    with server(tmp_path, *arguments) as (url, _):
        raw = Raw(services, bucket, url)
        assert raw.ask("sum", old, axis=[0])["values"] == 0
        off = {"option_disable_chunk_cache": True}
        for _ in range(100):
            # The cache is written in the background, after the first answer.
            if raw.ask("sum", new, axis=[0])["values"] == 0:
                break
            raw.ask("sum", old, axis=[0])
        assert raw.ask("sum", new, axis=[0])["values"] == 0
        assert raw.ask("sum", new, axis=[0], **off)["values"] == 4
