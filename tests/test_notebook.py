"""What notebooks show, and what NumPy's functions do with arrays that are not read."""

from __future__ import annotations

from html.parser import HTMLParser

import h5py
import netCDF4
import numpy as np
import pytest
from labelled_files import unpacked, write_model_output

import activecore as ac

EVIL = "<script>alert('x')</script>&\"'"


class Checker(HTMLParser):
    """Collects tags and text; unbalanced tags are found."""

    void = frozenset({"br"})

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text = set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [
            name
            for name, _ in attrs
            if name.startswith("on") or name in ("href", "src")
        ]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""


def checked(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert checker.tags <= {
        "style",
        "div",
        "header",
        "small",
        "table",
        "tr",
        "th",
        "td",
        "code",
        "details",
        "summary",
        "p",
    }
    return checker.text


@pytest.fixture
def path(tmp_path):
    return write_model_output(tmp_path / "tas.nc")


def test_an_array_shows_what_it_is_and_reads_nothing(path):
    tas = ac.open(path, "tas")
    with ac.record() as run:
        text = checked(tas[0:12, :, 0]._repr_html_())
    assert run.chunks == 0
    for said in (
        "tas",
        "(time: 12, lat: 4)",
        "float64, stored as int16",
        "384 B",
        "(6, 4, 6), 4 in all",
        "posix",
        "tas.nc",
        "cell_methods",
    ):
        assert said in text, said


def test_codecs_are_named(tmp_path):
    with netCDF4.Dataset(tmp_path / "z.nc", "w") as ds:
        ds.createDimension("x", 100)
        ds.createVariable("v", "f4", ("x",), zlib=True, shuffle=True, fletcher32=True)[
            :
        ] = 1
        ds.createVariable("scalar", "f4", ())[...] = 1
        ds.createVariable("text", str, ("x",))
    text = checked(ac.open(tmp_path / "z.nc", "v")._repr_html_())
    assert "shuffle, zlib" in text
    assert "contiguous" in checked(ac.open(tmp_path / "z.nc", "scalar")._repr_html_())
    assert "text" in checked(ac.open(tmp_path / "z.nc", "text")._repr_html_())


def test_a_dataset_shows_its_variables_and_attributes(path):
    ds = ac.open(path)
    text = checked(ds._repr_html_())
    for said in (
        "netcdf4",
        "tas",
        "(time: 24, lat: 4, lon: 6)",
        "int16",
        "near-surface air temperature, K",
        "station",
        "text",
    ):
        assert said in text, said
    ds.close()
    assert "closed" in checked(ds._repr_html_())


def test_everything_from_a_file_is_escaped(tmp_path):
    where = tmp_path / "a.h5"
    with h5py.File(where, "w") as file:
        file.attrs["title"] = file.attrs["<b>"] = EVIL
        file["<u>v"] = np.ones(3)
        for name in ("long_name", "units", "<i>"):
            file["<u>v"].attrs[name] = EVIL
    with ac.open(where) as ds:
        for html in (ds._repr_html_(), ds["<u>v"]._repr_html_()):
            assert "<script" not in html
            assert EVIL in checked(html)


def test_many_variables_and_long_attributes_are_cut(tmp_path):
    with netCDF4.Dataset(tmp_path / "m.nc", "w") as ds:
        ds.title = "x" * 10000
        for number in range(230):
            ds.createVariable(f"v{number}", "f4", ())
    html = ac.open(tmp_path / "m.nc")._repr_html_()
    assert "and 30 more" in checked(html)
    assert len(html) < 60000


def test_no_secret_of_a_url_is_shown(path, monkeypatch):
    ds = ac.open(path)
    ds.url = "https://me:pa55word@example.org/x.nc?token=t0psecret"
    html = ds._repr_html_()
    assert "pa55word" not in html
    assert "t0psecret" not in html
    assert "https://example.org/x.nc" in html


REDUCTIONS = [
    np.mean,
    np.sum,
    np.min,
    np.max,
    np.amin,
    np.amax,
    np.std,
    np.var,
    np.ptp,
    np.any,
    np.all,
]


@pytest.mark.parametrize("function", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
def test_numpys_reductions_are_answered_by_the_backend(path, function, axis):
    tas, expected = ac.open(path, "tas"), unpacked(path)
    with ac.record() as run:
        answer = function(tas, axis=axis)
    assert run.backends == {"posix": 4}
    name = {"amin": "min", "amax": "max"}.get(function.__name__, function.__name__)
    np.testing.assert_allclose(answer, getattr(expected, name)(axis=axis), rtol=1e-12)
    kept = function(tas, axis=axis, keepdims=True)
    assert np.shape(kept) == getattr(expected, name)(axis=axis, keepdims=True).shape


def test_numpys_reductions_that_leave_out_nan(tmp_path):
    values = np.array([[1.0, np.nan, 3], [4, 5, 6]])
    with netCDF4.Dataset(tmp_path / "n.nc", "w") as ds:
        ds.createDimension("y", 2)
        ds.createDimension("x", 3)
        ds.createVariable("v", "f8", ("y", "x"))[:] = values
    v = ac.open(tmp_path / "n.nc", "v")
    for function in (np.nanmean, np.nansum, np.nanmin, np.nanmax, np.nanstd, np.nanvar):
        np.testing.assert_allclose(function(v, axis=1), function(values, axis=1))
    assert np.isnan(np.mean(v))


def test_options_of_numpys_reductions(path):
    tas, expected = ac.open(path, "tas"), unpacked(path)
    out = np.ma.zeros(())
    assert np.mean(tas, None, np.float32).dtype == np.float32
    np.testing.assert_allclose(np.std(tas, ddof=1), expected.std(ddof=1))
    np.mean(tas, out=out)
    np.testing.assert_allclose(out, expected.mean())
    with pytest.raises(TypeError, match=r"numpy.sum with 'initial' would read"):
        np.sum(tas, initial=3)
    with pytest.raises(TypeError, match="with 'where'"):
        np.mean(tas, where=np.ones((24, 4, 6), bool))


def test_shapes_are_known_without_reading(path):
    tas = ac.open(path, "tas")
    assert (np.shape(tas), np.ndim(tas), np.size(tas), len(tas)) == (
        (24, 4, 6),
        3,
        576,
        24,
    )
    assert (tas.ndim, tas.size) == (3, 576)


@pytest.mark.parametrize(
    "use",
    [
        lambda a: a + 1,
        lambda a: 1 - a,
        lambda a: np.ones(6) * a,
        lambda a: np.float64(2) * a,
        np.sqrt,
        lambda a: np.add(a, a),
        np.add.reduce,
        np.median,
        lambda a: np.concatenate([a, a]),
        lambda a: np.where(a, 1, 2),
        np.average,
        np.count_nonzero,
        lambda a: np.array_equal(a, a),
        np.isnan,
        np.cumsum,
        lambda a: np.sum(np.ones(3), out=a),
        list,
        bool,
        float,
        lambda a: -a,
        lambda a: a @ a,
    ],
)
def test_what_would_read_everything_is_a_type_error(path, use):
    tas = ac.open(path, "tas")
    with ac.record() as run, pytest.raises(TypeError):
        use(tas)
    assert run.chunks == 0


def test_the_reason_is_said(path):
    tas = ac.open(path, "tas")
    for use in (
        lambda: np.sqrt(tas),
        lambda: np.ones(6) + tas,
        lambda: np.median(tas),
        lambda: tas - 273.15,
        lambda: -tas,
        lambda: tas == -999,  # and not False, whatever is in it
        lambda: np.any(tas > 300),
    ):
        with pytest.raises(TypeError, match=r"would read the whole array.*\.read\(\)"):
            use()


def test_asarray_reads_and_shows_missing_as_nan(path):
    part = ac.open(path, "tas")[3]
    np.testing.assert_array_equal(np.asarray(part), unpacked(path)[3].filled(np.nan))


def test_the_array_apis_correction_is_ddof(path):
    tas = ac.open(path, "tas")
    expected = unpacked(path).astype("f8").std(ddof=1)
    np.testing.assert_allclose(np.std(tas, correction=1), expected, rtol=1e-12)


def test_arrays_are_still_keys(path):
    tas = ac.open(path, "tas")
    assert {tas: "tas"}[tas] == "tas"
