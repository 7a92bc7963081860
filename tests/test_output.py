"""Answers written to files, read back with other people's programs."""

import csv
import json
import stat
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from labelled_files import LATITUDES, LONGITUDES, TIMES, unpacked, write_model_output

from activecore.errors import ConfigError
from activecore.output import write
from activecore.output.answer import Answer, Coordinate, Field
from activecore.output.attributes import answer_attributes, squared
from activecore.output.document import plain
from activecore.output.files import check_target, whole_file
from activecore.output.longitudes import continuous
from activecore.output.times import date_words, decode_dates
from activecore.output.words import degrees_words, range_words, units_words
from activecore.reductions import REDUCTION, reduction_of


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_model_output(tmp_path_factory.mktemp("data") / "tas.nc")


@pytest.fixture
def reduced(source, tmp_path):
    """Reduce from the command line into a file, and give its path."""
    from activecore.cli.running import run

    def reduce(*words, to="out.nc"):
        out = tmp_path / to
        assert run(["reduce", str(source), "tas", *words, "--out", str(out)]) == 0
        return out

    return reduce


# -- netCDF ------------------------------------------------------------------------


def test_netcdf_holds_the_answer_for_netcdf4_python(reduced, source):
    expected = unpacked(source).mean(axis=(1, 2))
    with netCDF4.Dataset(reduced("mean", "--over", "lat,lon")) as ds:
        values = ds["tas"][:]
        assert ds["tas"].dimensions == ("time",)
    np.testing.assert_array_equal(np.ma.getmaskarray(values), expected.mask)
    np.testing.assert_allclose(values.compressed(), expected.compressed(), rtol=1e-12)


def test_netcdf_holds_the_answer_and_decoded_times_for_xarray(reduced, source):
    expected = unpacked(source).max(axis=1)
    with xr.open_dataset(reduced("max", "--over", "lat")) as ds:
        assert ds.tas.dims == ("time", "lon")
        np.testing.assert_allclose(ds.tas.values, expected.filled(np.nan))
        assert ds.time.values[0].isoformat() == "2000-01-16T00:00:00"
        assert ds.time.values[0].calendar == "360_day"
        np.testing.assert_array_equal(ds.lon.values, LONGITUDES)
        assert ds.time_bnds.shape == (TIMES, 2)


def test_attributes_describe_the_answer_and_not_the_stored_numbers(reduced):
    with netCDF4.Dataset(
        reduced("mean", "--over", "lat,lon", "--weights", "lat=cos")
    ) as ds:
        tas = ds["tas"]
        assert tas.units == "K"
        assert tas.standard_name == "air_temperature"
        assert tas.long_name == "near-surface air temperature"
        assert tas.cell_methods == (
            "time: mean lat: lon: mean (weighted by the cosine of lat)"
        )
        gone = {"scale_factor", "add_offset", "valid_min", "cell_measures"}
        assert not gone & set(tas.ncattrs())
        assert ds.Conventions.startswith("CF-")
        assert "activecore reduce" in ds.history
        assert ds.title == (
            "near-surface air temperature: mean over all latitudes and all "
            "longitudes, weighted by the cosine of lat"
        )


def test_missing_values_are_fill_values_that_no_value_equals(reduced, source):
    with netCDF4.Dataset(reduced("max", "--over", "lon")) as ds:
        ds.set_auto_mask(False)
        assert ds["tas"][3, 2] == ds["tas"]._FillValue
        assert (ds["tas"][:] == ds["tas"]._FillValue).sum() == 1


def test_what_was_reduced_is_left_as_scalar_coordinates_with_bounds(reduced):
    with netCDF4.Dataset(reduced("mean", "--over", "time,lat")) as ds:
        assert ds["tas"].coordinates.split() == ["time", "lat", "height"]
        assert ds["time"].shape == ()
        assert ds["time"][...] == TIMES * 15
        np.testing.assert_array_equal(ds[ds["time"].bounds][:], [0, TIMES * 30])
        np.testing.assert_array_equal(ds[ds["lat"].bounds][:], [-60, 60])


def test_what_an_integer_selected_is_left_as_a_scalar_coordinate(reduced, source):
    out = reduced(
        "mean", "--over", "lon", "--select", "time=-1", "--select", "lat=::-2"
    )
    with netCDF4.Dataset(out) as ds:
        assert ds["tas"].dimensions == ("lat",)
        np.testing.assert_array_equal(ds["lat"][:], LATITUDES[::-2])
        assert ds["time"][...] == (TIMES - 1) * 30 + 15
        expected = unpacked(source)[-1, ::-2].mean(axis=1)
        np.testing.assert_allclose(ds["tas"][:], expected, rtol=1e-12)


def test_the_grid_mapping_comes_along(reduced):
    with netCDF4.Dataset(reduced("mean", "--over", "time")) as ds:
        assert ds["tas"].grid_mapping == "crs"
        assert ds["crs"].grid_mapping_name == "latitude_longitude"


def test_kept_dimensions_have_coordinates_of_length_one(reduced):
    with xr.open_dataset(reduced("sum", "--over", "time", "--keepdims")) as ds:
        assert ds.tas.shape == (1, 4, 6)
        assert ds.time.shape == (1,)


def test_a_scalar_answer_is_a_scalar_variable(reduced, source):
    with xr.open_dataset(reduced("min")) as ds:
        assert ds.tas.shape == ()
        np.testing.assert_allclose(ds.tas.item(), unpacked(source).min())


def test_components_are_variables_of_their_own(reduced, source):
    out = reduced("mean", "--over", "time", "--components")
    values = unpacked(source)
    with netCDF4.Dataset(out) as ds:
        np.testing.assert_allclose(ds["tas_sum"][:], values.sum(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(ds["tas_n"][:], values.count(axis=0))
        assert ds["tas_n"].units == "1"
        assert ds["tas_sum"].cell_methods == "time: mean time: sum"


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "?"])
def test_every_dtype_survives_with_its_mask(dtype, tmp_path):
    values = np.ma.MaskedArray(np.arange(6).astype(dtype), mask=[0, 1, 0, 0, 0, 1])
    answer = Answer("x", "v", "max", ("n",), (Field("v", values, {}),))
    write(answer, tmp_path / "v.nc")
    with netCDF4.Dataset(tmp_path / "v.nc") as ds:
        read = ds["v"][:]
    np.testing.assert_array_equal(read.mask, values.mask)
    np.testing.assert_array_equal(
        read.compressed(), values.compressed().astype(read.dtype)
    )


def test_a_type_all_of_whose_values_occur_is_widened_to_hold_a_fill_value(tmp_path):
    values = np.ma.MaskedArray(np.arange(300) % 256 - 128, mask=np.arange(300) >= 256)
    answer = Answer("x", "v", "max", ("n",), (Field("v", values.astype("i1"), {}),))
    write(answer, tmp_path / "v.nc")
    with netCDF4.Dataset(tmp_path / "v.nc") as ds:
        assert ds["v"].dtype == "i2"
        np.testing.assert_array_equal(ds["v"][:].compressed(), np.arange(256) - 128)


def test_attributes_that_netcdf_has_no_type_for_become_text(tmp_path):
    attributes = {
        "flag": True, "nothing": None, "nested": {"a": [1]}, "names": ["a", "b"],
        "list": [1, 2], "mixed": [[1], [2, 3]],
    }  # fmt: skip
    field = Field("v", np.ma.MaskedArray(1.0), attributes)
    write(Answer("x", "v", "max", (), (field,)), tmp_path / "v.nc")
    with netCDF4.Dataset(tmp_path / "v.nc") as ds:
        written = ds["v"]
        assert written.flag == 1
        assert json.loads(written.nested) == {"a": [1]}
        assert written.names == ["a", "b"]
        assert written.list.tolist() == [1, 2]
        assert "nothing" not in written.ncattrs()


# -- CSV and JSON ------------------------------------------------------------------


def test_csv_has_a_row_for_each_element_with_its_coordinates(reduced, source):
    out = reduced("max", "--over", "lon", "--select", "time=2:5", to="out.csv")
    with out.open(newline="") as file:
        heading, *rows = csv.reader(file)
    assert heading == ["time", "lat (degrees_north)", "height (m)", "tas (K)"]
    expected = unpacked(source)[2:5].max(axis=2)
    assert len(rows) == expected.size
    assert rows[0][:2] == ["2000-03-16", "60.0"]
    for row, value in zip(rows, expected.ravel(), strict=True):
        assert row[-1] == ("" if value is np.ma.masked else repr(float(value)))


def test_json_has_values_coordinates_and_cost(reduced, source):
    document = json.loads(reduced("mean", "--over", "lon", to="out.json").read_text())
    expected = unpacked(source).mean(axis=2)
    values = np.array(document["values"], dtype=float)
    np.testing.assert_array_equal(np.isnan(values), expected.mask)
    np.testing.assert_allclose(
        values[~expected.mask], expected.compressed(), rtol=1e-12
    )
    assert document["dims"] == ["time", "lat"]
    assert document["units"] == "K"
    assert document["coordinates"]["time"]["dates"][:2] == ["2000-01-16", "2000-02-16"]
    assert document["coordinates"]["lat"]["values"] == LATITUDES.tolist()
    assert document["cost"]["chunks"] == 4
    assert document["cost"]["backends"] == {"posix": 4}


def test_json_is_strict_where_numbers_are_not_finite():
    found = plain(
        np.ma.MaskedArray([1.0, np.nan, np.inf, -np.inf, 5], mask=[0, 0, 0, 0, 1])
    )
    assert found == [1.0, "NaN", "Infinity", "-Infinity", None]
    json.dumps(found, allow_nan=False)


def test_small_floats_are_written_with_the_digits_they_have(tmp_path):
    values = np.ma.MaskedArray(np.float32([0.1, 0.25]))
    answer = Answer("x", "v", "max", ("n",), (Field("v", values, {}),))
    write(answer, tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["values"] == [0.1, 0.25]
    write(answer, tmp_path / "v.csv")
    assert (tmp_path / "v.csv").read_text().splitlines() == ["n,v", "0,0.1", "1,0.25"]


# -- files -------------------------------------------------------------------------


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), whole_file(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "out.csv"
    with pytest.raises(OSError, match="No space left") as caught, whole_file(path):
        raise OSError(28, "No space left on device", "another name")
    assert caught.value.filename == str(path)


def test_files_are_as_readable_as_others(tmp_path):
    answer = Answer("x", "v", "max", (), (Field("v", np.ma.MaskedArray(1.0), {}),))
    plain_file = tmp_path / "plain"
    plain_file.touch()
    for name in ("v.nc", "v.csv", "v.json"):
        write(answer, tmp_path / name)
        mode = (tmp_path / name).stat().st_mode
        assert stat.S_IMODE(mode) == stat.S_IMODE(plain_file.stat().st_mode)


def test_the_source_is_never_overwritten(source, tmp_path):
    link = tmp_path / "link.nc"
    link.symlink_to(source)
    for target in (
        source,
        link,
        Path(f"{source.parent}/../{source.parent.name}/tas.nc"),
    ):
        with pytest.raises(ConfigError, match="would overwrite the data"):
            check_target(target, source=str(source), what="--out")
    with pytest.raises(ConfigError, match="would overwrite the data"):
        check_target(source, source=f"file://{source}", what="--out")


def test_nothing_is_written_into_a_store(tmp_path):
    store = tmp_path / "x.zarr"
    (store / "tas").mkdir(parents=True)
    with pytest.raises(ConfigError, match="would overwrite the data"):
        check_target(store / "tas" / "out.nc", source=str(store), what="--out")


@pytest.mark.parametrize("name", ["nowhere/out.nc", "folder"])
def test_a_place_that_cannot_be_written_to_is_refused_early(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="director"):
        check_target(tmp_path / name, source="x.nc", what="--out")


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    answer = Answer("x", "v", "max", (), (Field("v", np.ma.MaskedArray(1.0), {}),))
    with pytest.raises(ConfigError, match=r"\.nc \(netCDF\), \.csv \(CSV\)"):
        write(answer, tmp_path / "out.txt")


# -- attributes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("K", "K2"),
        ("m s-1", "m2 s-2"),
        ("kg m-2 s-1", "kg2 m-4 s-2"),
        ("W.m-2", "W2 m-4"),
        ("m^3", "m6"),
        ("degC", "K2"),
        ("1", "1"),
        ("%", "(%)2"),
        ("1e-3", "(1e-3)2"),
        ("m/s", "(m/s)2"),
    ],
)
def test_units_are_squared_as_udunits_writes_them(units, expected):
    assert squared(units) == expected


@pytest.mark.parametrize(
    ("reduction", "units"),
    [("mean", "days since 2000-01-01"), ("max", "days since 2000-01-01"),
     ("ptp", "days"), ("std", "days"), ("var", "days2"), ("count", "1")],
)  # fmt: skip
def test_differences_of_dates_have_no_origin(reduction, units):
    given = {"units": "days since 2000-01-01", "calendar": "noleap"}
    found = answer_attributes(given, reduction_of(reduction), ["time"])
    assert found["units"] == units
    assert ("calendar" in found) == (reduction in ("mean", "max"))


def test_a_count_is_no_temperature():
    given = {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: mean",
    }
    found = answer_attributes(given, reduction_of("count"), ["time"])
    assert found == {
        "long_name": "number of values of air temperature",
        "standard_name": "number_of_observations",
        "units": "1",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [({"long_name": "ice"}, "whether any value of ice is not zero"),
     ({}, "whether any value is not zero")],
)  # fmt: skip
def test_truth_is_described_in_words(given, words):
    assert answer_attributes(given, reduction_of("any"), [])["long_name"] == words


def test_a_weighted_sum_is_multiplied_by_the_units_of_its_weights():
    found = answer_attributes(
        {"units": "W m-2"},
        reduction_of("sum"),
        ["x"],
        weights={"x": "area"},
        weight_units=["m2"],
    )
    assert found["units"] == "W m-2 m2"
    assert found["cell_methods"] == "x: sum (weighted by area)"


@pytest.mark.parametrize("name", REDUCTION)
def test_every_reduction_has_attributes(name):
    given = {"units": "K", "flag_values": [1, 2]}
    found = answer_attributes(given, REDUCTION[name], ["time"])
    method = REDUCTION[name].cell_method
    assert found.get("cell_methods") == (None if method is None else f"time: {method}")
    assert ("flag_values" in found) == (name in ("min", "max"))


# -- words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "north", "words"),
    [(15, True, "15°N"), (-0.5, True, "0.5°S"), (0, True, "0°"), (225, False, "135°W"),
     (180, False, "180°"), (-180, False, "180°"), (359.5, False, "0.5°W"), (10, False, "10°E")],
)  # fmt: skip
def test_places_are_written_as_on_maps(value, north, words):
    assert degrees_words(value, north=north) == words


@pytest.mark.parametrize(
    ("units", "words"),
    [("m s-1", "m s⁻¹"), ("K2", "K²"), ("degC", "°C"), ("degree_Celsius", "°C"),
     ("1", None), (" ", None), (None, None), ("1E11 e/m^3", "1E11 e/m^3"), ("1e-3", "1e-3"),
     ("days since 2000-01-01", "days since 2000-01-01"), ("H2O", "H2O")],
)  # fmt: skip
def test_units_are_written_as_in_print(units, words):
    assert units_words(units) == words


def test_longitudes_across_greenwich_are_one_stretch():
    np.testing.assert_array_equal(continuous(np.array([358.0, 0, 2])), [358, 360, 362])
    np.testing.assert_array_equal(
        continuous(np.array([0.5, 350.5, 355.5])), [360.5, 350.5, 355.5]
    )
    globe = np.arange(0.0, 360, 10)
    np.testing.assert_array_equal(continuous(globe), globe)
    region = np.array([10.0, 11, 12])
    np.testing.assert_array_equal(continuous(region), region)


def test_a_range_across_greenwich_goes_the_short_way(tmp_path):
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("lon", 4)
        lon = ds.createVariable("lon", "f8", ("lon",))
        lon.units, lon[:] = "degrees_east", [350, 355, 0, 5]
        ds.createVariable("v", "f8", ("lon",))[:] = [1, 2, 3, 4]
    import activecore as ac
    from activecore.output.coordinates import Neighbours

    with ac.open(path) as ds:
        neighbours = Neighbours(ds, ds["v"])
        (lon,) = neighbours.coordinates(["lon"])
        (reduced,) = neighbours.reduced(["lon"], [lon])
    assert lon.bounds.tolist() == [350, 365]
    assert range_words(reduced) == "10°W to 5°E"


def test_dates_of_any_calendar_are_iso_8601_as_short_as_is_exact():
    units = {"units": "days since 2001-02-28", "calendar": "360_day"}
    assert date_words(decode_dates([0, 2, 362], units)) == [
        "2001-02-28", "2001-02-30", "2002-02-30",
    ]  # fmt: skip
    assert date_words(decode_dates([0.5], units)) == ["2001-02-28T12:00"]


def test_times_that_are_no_dates_stay_numbers():
    assert decode_dates([1.0], {"units": "days"}) is None
    assert decode_dates([1.0], {"units": "days since nonsense"}) is None
    assert decode_dates([np.nan], {"units": "days since 2000-01-01"}) is None
    masked = np.ma.MaskedArray([1.0], mask=[True])
    assert decode_dates(masked, {"units": "days since 2000-01-01"}) is None


def test_a_coordinate_is_found_in_the_groups_above(tmp_path):
    path = tmp_path / "groups.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("time", 3)
        time = ds.createVariable("time", "f8", ("time",))
        time.units, time[:] = "days since 2000-01-01", [0, 1, 2]
        group = ds.createGroup("forecast")
        group.createVariable("tas", "f8", ("time",))[:] = [1, 2, 3]
    from activecore.cli.running import run

    out = tmp_path / "out.nc"
    assert (
        run(
            [
                "reduce",
                str(path),
                "forecast/tas",
                "max",
                "--over",
                "none",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    with netCDF4.Dataset(out) as ds:
        assert ds["time"][:].tolist() == [0, 1, 2]
        assert ds["tas"].dimensions == ("time",)


def test_a_variable_named_like_its_dimension_is_no_coordinate_of_itself(
    tmp_path, source
):
    from activecore.cli.running import run

    out = tmp_path / "out.nc"
    assert run(["reduce", str(source), "lat", "mean", "--out", str(out)]) == 0
    with netCDF4.Dataset(out) as ds:
        assert ds["lat"][...] == 0
        assert ds["lat"].cell_methods == "lat: mean"


def test_coordinates_know_their_dimension():
    lat = Coordinate("lat", ("lat",), np.ma.MaskedArray([1.0]), {})
    answer = Answer("x", "v", "max", ("lat", "x"), (), coordinates=(lat,))
    assert answer.coordinate_of("lat") is lat
    assert answer.coordinate_of("x") is None
