"""Pictures: what is on them, where it lies, and that nothing of it is clipped."""

import netCDF4
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from labelled_files import TIMES, unpacked, write_curvilinear, write_model_output
from matplotlib import colormaps, image
from matplotlib.collections import PolyCollection, QuadMesh

from activecore.cli.running import run
from activecore.errors import ConfigError, UnsupportedReduction
from activecore.output.answer import Answer, Coordinate, Field, Reduced
from activecore.plot import check_plot, draw
from activecore.plot.axes import axis_of
from activecore.plot.colours import colouring
from activecore.plot.dates import date_ticks
from activecore.plot.figure import figure_of


def labelled(values, dims, coordinates=(), reduction="mean", name="tas", **attrs):
    return Answer(
        source="folder/tas.nc",
        variable=name,
        reduction=reduction,
        dims=dims,
        fields=(Field(name, np.ma.asarray(values), attrs),),
        coordinates=tuple(coordinates),
        reduced=(Reduced("time", 12),),
    )


def along(name, values, **attrs):
    return Coordinate(name, (name,), np.ma.asarray(values, dtype=float), attrs)


def lat(values):
    return along("lat", values, units="degrees_north")


def lon(values):
    return along("lon", values, units="degrees_east")


def words_of(figure):
    """Collect every text of a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def drawn(figure, kind):
    (found,) = [
        item
        for axes in figure.axes[:1]
        for item in axes.collections
        if isinstance(item, kind)
    ]
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_model_output(tmp_path_factory.mktemp("data") / "tas.nc")


# -- lines -------------------------------------------------------------------------


def test_one_axis_is_a_line_of_the_values():
    values = np.ma.MaskedArray([3.0, 1, 2], mask=[0, 0, 1])
    figure = figure_of(
        labelled(values, ("x",), [along("x", [10, 20, 30], units="m")], units="K")
    )
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [10, 20, 30])
    np.testing.assert_array_equal(line.get_ydata(), [3, 1, np.nan])
    assert {"x (m)", "tas (K)", "Tas (K)", "missing", "tas.nc"} <= set(words_of(figure))


def test_points_are_drawn_in_the_order_of_their_coordinate():
    figure = figure_of(labelled([1.0, 2, 3], ("x",), [along("x", [5, 1, 3])]))
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 3, 5])
    np.testing.assert_array_equal(line.get_ydata(), [2, 3, 1])


def test_an_axis_without_coordinates_is_numbered():
    figure = figure_of(labelled([1.0, 2, 3], ("x",)))
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [0, 1, 2])
    assert "x" in words_of(figure)


@pytest.mark.parametrize(
    ("attrs", "down"),
    [({"units": "m", "positive": "down"}, True), ({"units": "hPa"}, True),
     ({"units": "m", "positive": "up"}, False), ({"axis": "Z"}, False)],
)  # fmt: skip
def test_a_vertical_axis_stands_upright(attrs, down):
    figure = figure_of(
        labelled([1.0, 2, 3], ("lev",), [along("lev", [0, 10, 100], **attrs)])
    )
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0, 10, 100])
    bottom, top = axes.get_ylim()
    assert (bottom > top) == down


def test_dimensions_of_length_one_do_not_count():
    answer = labelled(np.ones((1, 3, 1)), ("a", "x", "b"), [along("x", [1, 2, 3])])
    np.testing.assert_array_equal(
        figure_of(answer).axes[0].lines[0].get_xdata(), [1, 2, 3]
    )


# -- maps and images ---------------------------------------------------------------


def edges_of(mesh):
    corners = mesh.get_coordinates()
    return corners[0, :, 0], corners[:, 0, 1]


def test_latitudes_and_longitudes_are_a_map_whose_cells_reach_half_way():
    values = np.arange(12.0).reshape(3, 4)
    coordinates = [lat([60, 0, -60]), lon([0, 90, 180, 270])]
    figure = figure_of(labelled(values, ("lat", "lon"), coordinates, units="K"))
    mesh = drawn(figure, QuadMesh)
    x, y = edges_of(mesh)
    np.testing.assert_array_equal(x, [-45, 45, 135, 225, 315])
    np.testing.assert_array_equal(y, [90, 30, -30, -90])
    np.testing.assert_array_equal(mesh.get_array(), values)
    assert figure.axes[0].get_ylim() == (-90, 90)
    assert figure.axes[0].get_aspect() == 1
    labels = words_of(figure)
    assert {"120°E", "60°S", "lat (degrees north)", "lon (degrees east)", "K"} <= set(
        labels
    )


def test_no_cell_reaches_beyond_a_pole():
    coordinates = [lat([-90, 0, 90]), lon([0, 180])]
    figure = figure_of(labelled(np.eye(3, 2), ("lat", "lon"), coordinates))
    _, y = edges_of(drawn(figure, QuadMesh))
    assert (y.min(), y.max()) == (-90, 90)


def test_longitudes_across_greenwich_are_drawn_together():
    values = np.arange(8.0).reshape(2, 4)
    coordinates = [lat([0, 10]), lon([350, 355, 0, 5])]
    figure = figure_of(labelled(values, ("lat", "lon"), coordinates))
    mesh = drawn(figure, QuadMesh)
    np.testing.assert_array_equal(
        edges_of(mesh)[0], [347.5, 352.5, 357.5, 362.5, 367.5]
    )
    assert "0°" in words_of(figure)


def test_the_order_of_the_dimensions_does_not_turn_a_map():
    values = np.arange(6.0).reshape(3, 2)
    coordinates = [lat([0, 10]), lon([0, 10, 20])]
    figure = figure_of(labelled(values, ("lon", "lat"), coordinates))
    mesh = drawn(figure, QuadMesh)
    np.testing.assert_array_equal(mesh.get_array(), values.T)


def test_bounds_of_the_source_are_the_edges_of_cells():
    level = Coordinate(
        "lev", ("lev",), np.ma.asarray([5.0, 50]), {"units": "m", "positive": "down"},
        bounds=np.array([[0.0, 10], [10, 100]]),
    )  # fmt: skip
    answer = labelled(np.eye(2), ("lev", "lat"), [level, lat([0, 10])])
    axes = figure_of(answer).axes[0]
    _, y = edges_of(axes.collections[0])
    np.testing.assert_array_equal(y, [0, 10, 100])
    assert axes.yaxis_inverted()


def test_a_grid_finer_than_any_picture_is_thinned_out():
    values = np.broadcast_to(np.arange(5000.0), (3, 5000))
    answer = labelled(
        values, ("lat", "lon"), [lat([0, 1, 2]), lon(np.arange(5000) / 100)]
    )
    mesh = drawn(figure_of(answer), QuadMesh)
    np.testing.assert_array_equal(mesh.get_array()[0, :3], [0, 3, 6])
    np.testing.assert_allclose(edges_of(mesh)[0][:2], [-0.015, 0.015])


def test_time_runs_along_the_bottom_of_a_section():
    time = along(
        "time", np.arange(4) * 30.0, units="days since 2000-01-01", calendar="noleap"
    )
    answer = labelled(np.ones((4, 2)), ("time", "lat"), [time, lat([0, 10])])
    axes = figure_of(answer).axes[0]
    assert axes.get_xlabel() == "time"
    assert "2000-02" in [label.get_text() for label in axes.get_xticklabels()]


def test_a_grid_with_two_dimensional_coordinates_is_a_map(tmp_path):
    path = write_curvilinear(tmp_path / "ice.nc")
    out = tmp_path / "ice.png"
    assert (
        run(["reduce", str(path), "ice", "max", "--over", "none", "--plot", str(out)])
        == 0
    )
    assert image.imread(out).shape[0] > 300


def curvilinear_answer(latitudes, longitudes, values):
    def two(name, numbers, units):
        return Coordinate(name, ("y", "x"), np.ma.asarray(numbers), {"units": units})

    coordinates = [
        two("nav_lat", latitudes, "degrees_north"),
        two("nav_lon", longitudes, "degrees_east"),
    ]
    return labelled(values, ("y", "x"), coordinates)


def test_cells_of_a_curvilinear_grid_lie_around_their_middles():
    longitudes, latitudes = np.meshgrid(np.arange(20.0, 24), np.arange(1.0, 4))
    answer = curvilinear_answer(latitudes, longitudes, np.arange(12.0).reshape(3, 4))
    cells = drawn(figure_of(answer), PolyCollection)
    outlines = np.array([path.vertices[:4] for path in cells.get_paths()])
    middles = outlines.mean(axis=1)
    np.testing.assert_allclose(middles[:, 0], longitudes.ravel(), atol=0.01)
    np.testing.assert_allclose(middles[:, 1], latitudes.ravel(), atol=0.01)


def test_cells_across_the_dateline_are_drawn_at_both_edges_of_a_globe():
    longitudes, latitudes = np.meshgrid(
        np.arange(5.0, 365, 10), np.arange(-80.0, 81, 20)
    )
    longitudes = (longitudes + 7 + 180) % 360 - 180
    answer = curvilinear_answer(latitudes, longitudes, np.ones(latitudes.shape))
    figure = figure_of(answer)
    assert figure.axes[0].get_xlim() == (-180, 180)
    outlines = np.array(
        [p.vertices[:4] for p in drawn(figure, PolyCollection).get_paths()]
    )
    widths = np.ptp(outlines[:, :, 0], axis=1)
    assert widths.max() < 30
    assert len(outlines) == longitudes.size + len(latitudes)


def test_a_region_across_the_dateline_is_drawn_together():
    longitudes, latitudes = np.meshgrid([170.0, 175, 180, -175, -170], [0.0, 5, 10])
    answer = curvilinear_answer(latitudes, longitudes, np.ones((3, 5)))
    left, right = figure_of(answer).axes[0].get_xlim()
    assert right - left < 30


def test_places_that_are_missing_are_not_drawn():
    longitudes, latitudes = np.meshgrid([0.0, 5, 10], [0.0, 5])
    latitudes = np.ma.masked_equal(latitudes + 1, 6)
    answer = curvilinear_answer(latitudes, longitudes, np.ones((2, 3)))
    assert len(drawn(figure_of(answer), PolyCollection).get_paths()) == 3


# -- colours -----------------------------------------------------------------------


def colours_of(low, high, **attrs):
    values = np.ma.asarray([[low, high]], dtype=float)
    chosen = colouring(labelled(values, ("y", "x"), **attrs), values)
    return chosen["cmap"].name, chosen["vmin"], chosen["vmax"]


def test_colours_diverge_only_where_zero_is_the_middle():
    assert colours_of(-3, 5, units="K") == ("RdBu_r", -5, 5)
    assert colours_of(1, 5) == ("viridis", 1, 5)
    assert colours_of(-0.1, 5) == ("viridis", -0.1, 5)
    assert colours_of(-30, 30, units="degC")[0] == "viridis"
    assert (
        colours_of(-3, 3, units="degC", long_name="temperature anomaly")[0] == "RdBu_r"
    )


def test_one_value_everywhere_has_a_colour():
    name, low, high = colours_of(7, 7)
    assert name in colormaps
    assert low < 7 < high


def test_missing_values_are_grey_and_explained():
    values = np.ma.MaskedArray(np.ones((2, 2)), mask=[[0, 1], [0, 0]])
    figure = figure_of(labelled(values, ("lat", "lon"), [lat([0, 1]), lon([0, 1])]))
    bad = drawn(figure, QuadMesh).get_cmap().get_bad()
    assert bad[0] == bad[1] == bad[2] < 1
    assert bad[3] == 1
    assert "missing" in words_of(figure)


def test_nan_is_drawn_as_missing():
    figure = figure_of(labelled([[1.0, np.nan]] * 2, ("y", "x")))
    assert "missing" in words_of(figure)


def test_truth_has_two_colours():
    figure = figure_of(labelled([[True, False]] * 2, ("y", "x"), reduction="any"))
    assert {"true", "false"} <= set(words_of(figure))


# -- titles and ticks --------------------------------------------------------------


def test_the_title_says_what_it_is_and_what_was_reduced(source, tmp_path):
    import activecore as ac
    from activecore.cli.reducing import Asked, prepare

    asked = Asked("tas", "mean", ["time"], ["time=0:12"], ())
    with ac.open(source) as ds:
        answer = prepare(ds, asked).answer(
            source="tas.nc", history="", every=True, progress=None
        )
    words = words_of(figure_of(answer))
    assert "Near-surface air temperature (K)" in words
    assert "mean over time (2000-01-16 to 2000-12-16)" in words


@pytest.mark.parametrize(
    ("units", "calendar", "low", "high", "labels"),
    [
        ("days since 1850-01-01", "360_day", 0, 36000, ["1850", "1860"]),
        ("days since 2001-01-01", "noleap", 0, 364, ["2001-01", "2001-03"]),
        ("hours since 2001-01-01", "standard", 0, 72, ["00:00\n2001-01-01", "12:00"]),
        ("days since 2001-01-25", "standard", 0, 20, ["2001-01-26", "2001-02-01"]),
    ],
)
def test_ticks_of_time_are_round_dates_in_any_calendar(
    units, calendar, low, high, labels
):
    positions, words = date_ticks(low, high, {"units": units, "calendar": calendar})
    assert 2 <= len(words) <= 11
    assert len(positions) == len(words)
    assert words[:2] == labels
    assert all(low <= position <= high for position in positions)


def test_times_that_cannot_be_decoded_have_numbers():
    assert date_ticks(0, 10, {"units": "days since when"}) is None
    answer = labelled(
        [1.0, 2], ("time",), [along("time", [0, 1], units="days since when")]
    )
    assert "time (days since when)" in words_of(figure_of(answer))


def clipped(figure, path):
    """Say whether a picture has ink at its very border."""
    pixels = image.imread(path)[..., :3]
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return not (border == 1).all()


@pytest.mark.parametrize("shape", ["line", "map", "profile"])
def test_no_text_is_clipped_however_long(shape, tmp_path):
    name = "the mean of a quantity with a very long name that goes on and on " * 3
    if shape == "line":
        answer = labelled(
            [1e-9, 2e-9], ("x",), [along("x", [0, 1])], long_name=name, units="kg"
        )
    elif shape == "profile":
        answer = labelled(
            [1.0, 2], ("z",), [along("z", [0, 1], axis="Z")], long_name=name
        )
    else:
        coordinates = [lat([0, 10]), lon([350, 0, 10])]
        answer = labelled(np.ones((2, 3)), ("lat", "lon"), coordinates, long_name=name)
    path = tmp_path / "x.png"
    draw(answer, path)
    assert not clipped(None, path)


def test_a_dollar_in_a_name_is_no_formula(tmp_path):
    answer = labelled([1.0, 2], ("x",), long_name="cost ($) of \\frac{", units="$_{")
    draw(answer, tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_suffix_says_what_is_written(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    draw(labelled([1.0, 2], ("x",)), path)
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert path.read_bytes().startswith(starts[suffix])
    assert list(tmp_path.iterdir()) == [path]


# -- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "message"),
    [((), "leaves nothing"), ((1, 1), "leaves nothing"), ((2, 3, 4), "leaves 3 axes"),
     ((0,), "nothing to plot"), ((3, 0), "nothing to plot")],
)  # fmt: skip
def test_what_is_no_line_and_no_map_is_refused(shape, message, tmp_path):
    with pytest.raises(UnsupportedReduction, match=message):
        check_plot(tmp_path / "x.png", shape)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"\.png, \.pdf, \.svg"):
        check_plot(tmp_path / "x.gif", (3,))


def test_nothing_but_missing_values_is_refused(tmp_path):
    values = np.ma.MaskedArray([1.0, 2], mask=True)
    with pytest.raises(UnsupportedReduction, match="every value is missing"):
        draw(labelled(values, ("x",)), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_axis_prefers_the_coordinate_that_says_most():
    auxiliary = Coordinate(
        "when", ("t",), np.ma.asarray([0.0, 1]), {"units": "days since 2000-01-01"}
    )
    answer = labelled([1.0, 2], ("t",), [along("t", [7, 8]), auxiliary])
    assert axis_of(answer, "t").name == "when"
    answer = labelled([1.0, 2], ("t",), [along("t", [7, 8], units="s"), auxiliary])
    assert axis_of(answer, "t").name == "t"


def test_the_picture_of_a_series_is_made_from_the_answer(source, tmp_path):
    out = tmp_path / "series.png"
    words = ["--over", "lat,lon", "--weights", "lat=cos", "--plot", str(out)]
    assert run(["reduce", str(source), "tas", "mean", *words]) == 0
    pixels = image.imread(out)
    assert pixels.shape[1] > 1000
    assert not clipped(None, out)
    assert unpacked(source).shape[0] == TIMES
    with netCDF4.Dataset(source) as ds:  # the source is as it was
        assert ds["tas"].units == "K"
