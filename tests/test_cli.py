"""The command line as users and scripts meet it."""

import json
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from labelled_files import LATITUDES, unpacked, write_model_output

from activecore import errors
from activecore.cli import main
from activecore.cli.failures import STATUS, report
from activecore.cli.reducing import history_line, public_url
from activecore.cli.running import run
from activecore.cli.selecting import parse_over, parse_selection
from activecore.cli.stored import codec_words, missing_words
from activecore.errors import SelectionError
from activecore.model import Codec, Missing
from activecore.output.clean import clean
from activecore.reductions import REDUCTION

COMMAND = [sys.executable, "-m", "activecore"]


@pytest.fixture(autouse=True)
def log_as_before(monkeypatch):
    """Undo what the command line does to logging; start from no configuration."""
    logger = logging.getLogger("activecore")
    level, handlers = logger.level, list(logger.handlers)
    for name in os.environ:
        if name.startswith("ACTIVECORE_"):
            monkeypatch.delenv(name)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logging.captureWarnings(False)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return str(write_model_output(tmp_path_factory.mktemp("data") / "tas.nc"))


@pytest.fixture
def told(capsys):
    """Run a command line; give its status, output and errors."""

    def tell(*words):
        status = run([str(word) for word in words])
        output, errors = capsys.readouterr()
        return status, output, errors

    return tell


def only_line(errors):
    (line,) = errors.splitlines()
    assert line.startswith("activecore: ")
    return line.removeprefix("activecore: ")


# -- selections --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("time=0:12", slice(0, 12)),
        ("time=3", 3),
        ("time=-1", -1),
        ("time=::2", slice(None, None, 2)),
        ("time=-10:", slice(-10, None)),
        ("time=10:0:-2", slice(10, 0, -2)),
        ("time=:", slice(None)),
        ("time=0,5,-1", [0, 5, -1]),
        ("time=4,", [4]),
        (" time = 1 : 2 ", slice(1, 2)),
    ],
)
def test_selections_are_numpys_indexes(text, key):
    assert parse_selection([text], ["time"]) == {"time": key}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["time"], "write it as"),
        (["=3"], "write it as"),
        (["time="], "write it as"),
        (["time=a"], "'a' is no position"),
        (["time=1.5"], "'1.5' is no position"),
        (["time=2000-01:2001-01"], "positions, not coordinates"),
        (["time=1:2:3:4"], "a slice is"),
        (["time=::0"], "cannot be zero"),
        (["time=1", "time=2"], "names 'time' twice"),
        (["tim=1"], "did you mean 'time'"),
        (["x=1"], "dimensions: time, lat"),
    ],
)
def test_selections_that_mean_nothing_are_refused(texts, message):
    with pytest.raises(SelectionError, match=re.escape(message)):
        parse_selection(texts, ["time", "lat"])


@pytest.mark.parametrize(
    ("texts", "axes"),
    [
        ([], None),
        (["lat,lon"], ("lat", "lon")),
        (["lat", "lon"], ("lat", "lon")),
        (["0,-1"], (0, -1)),
        (["none"], ()),
        (["2"], ("2",)),
    ],
)
def test_dimensions_are_names_or_numbers(texts, axes):
    dims = ["2", "lat"] if texts == ["2"] else ["time", "lat", "lon"]
    assert parse_over(texts, dims) == axes


def test_an_empty_dimension_is_refused():
    with pytest.raises(SelectionError, match="write it as lat,lon"):
        parse_over(["lat,"], ["lat"])


# -- reduce ------------------------------------------------------------------------


def test_a_scalar_is_printed_with_its_units_and_its_cost(told, source):
    status, output, errors = told("reduce", source, "tas", "mean")
    assert status == 0
    assert errors == ""
    value, units = re.search(r"^  (\d\S+) (\S+)$", output, re.MULTILINE).groups()
    np.testing.assert_allclose(float(value), unpacked(source).mean(), rtol=1e-12)
    assert units == "K"
    assert "over time  2000-01-16 to 2001-12-16  24 elements" in " ".join(
        output.split("   ")
    )
    assert re.search(r"4 chunks, .* read, .* s, by posix", output)


def test_a_few_values_are_a_table_with_dates(told, source):
    _, output, _ = told(
        "reduce", source, "tas", "max", "--over", "lat,lon", "--select", "time=0:3"
    )
    expected = unpacked(source)[:3].max(axis=(1, 2))
    rows = re.findall(r"^ (2000-\d\d-16) +(\S+)", output, re.MULTILINE)
    assert [date for date, _ in rows] == ["2000-01-16", "2000-02-16", "2000-03-16"]
    np.testing.assert_allclose([float(value) for _, value in rows], expected)


def test_many_values_are_a_summary_with_a_hint(told, source):
    _, output, _ = told("reduce", source, "tas", "max", "--over", "lon")
    assert "96 values, from" in output
    assert "1 missing" in output
    assert "--out FILE.nc" in output


def test_missing_values_are_said_to_be_missing(told, source):
    _, output, _ = told(
        "reduce", source, "tas", "max", "--select", "time=3", "--select", "lat=2"
    )
    assert "\n  missing K\n" in output


def test_json_is_all_that_is_printed(told, source):
    words = (
        "reduce",
        source,
        "tas",
        "mean",
        "--over",
        "time,lon",
        "--select",
        "lat=1:3",
        "--json",
    )
    _, output, errors = told(*words)
    document = json.loads(output)
    expected = unpacked(source)[:, 1:3].mean(axis=(0, 2))
    np.testing.assert_allclose(document["values"], expected, rtol=1e-12)
    assert document["over"] == ["time", "lon"]
    assert document["selection"] == {"lat": "1:3"}
    assert document["coordinates"]["lat"]["values"] == LATITUDES[1:3].tolist()
    assert errors == ""


def weighted(values, weights, axis):
    return np.ma.average(values, axis=axis, weights=weights)


def test_weights_are_the_cosine_a_variable_or_a_file(told, source, tmp_path):
    values = unpacked(source)
    expected = weighted(values, np.cos(np.radians(LATITUDES)), 1)
    _, output, _ = told(
        "reduce",
        source,
        "tas",
        "mean",
        "--over",
        "lat",
        "--weights",
        "lat=cos",
        "--json",
    )
    document = json.loads(output)
    np.testing.assert_allclose(
        np.array(document["values"], dtype=float), expected.filled(np.nan), rtol=1e-12
    )
    assert document["weights"] == {"lat": "the cosine of lat"}

    _, output, _ = told(
        "reduce",
        source,
        "tas",
        "mean",
        "--over",
        "time",
        "--weights",
        "time=days",
        "--json",
    )
    np.testing.assert_allclose(
        json.loads(output)["values"], values.mean(axis=0), rtol=1e-12
    )

    numbers = tmp_path / "weights.txt"
    numbers.write_text("1, 2\n3")
    words = ("--select", "lat=0:3", "--weights", f"lat={numbers}", "--select", "time=0")
    _, output, _ = told(
        "reduce", source, "tas", "mean", "--over", "lat", *words, "--json"
    )
    expected = weighted(values[0, :3], [1, 2, 3], 0)
    np.testing.assert_allclose(
        np.array(json.loads(output)["values"], dtype=float),
        expected.filled(np.nan),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("lat=coss", "did you mean 'cos'"),
        ("la=cos", "did you mean 'lat'"),
        ("time=cos", "is in 'days since 2000-01-01', not in degrees"),
        ("lon=cos", "exceeds 90 degrees"),
        ("lat=days", "has the dimensions (time), not (lat)"),
        ("lat", "write it as NAME=cos"),
    ],
)
def test_weights_that_do_not_fit_are_refused(told, source, weights, message):
    status, output, errors = told("reduce", source, "tas", "mean", "--weights", weights)
    assert (status, output) == (5, "")
    assert message in only_line(errors)


def test_options_reach_the_reduction(told, source):
    words = (
        "--over",
        "time",
        "--ddof",
        "1",
        "--dtype",
        "float32",
        "--keepdims",
        "--json",
    )
    _, output, _ = told("reduce", source, "tas", "var", *words)
    document = json.loads(output)
    assert document["shape"] == [1, 4, 6]
    assert document["dtype"] == "float32"
    expected = unpacked(source).var(axis=0, ddof=1, keepdims=True)
    np.testing.assert_allclose(document["values"], expected, rtol=1e-5)
    assert document["units"] == "K2"


def test_components_are_shown_each(told, source):
    _, output, _ = told("reduce", source, "tas", "mean", "--components")
    assert re.search(r"tas_sum  \d\S+ K", output)
    assert re.search(r"tas_n  \d+$", output, re.MULTILINE)


def test_nan_is_missing_where_skipna_says_so(told, tmp_path):
    path = tmp_path / "nan.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("x", 3)
        ds.createVariable("v", "f8", ("x",))[:] = [1, np.nan, 4]
    _, output, _ = told("reduce", path, "v", "max", "--json")
    assert json.loads(output)["value"] == "NaN"
    _, output, _ = told("reduce", path, "v", "max", "--skipna", "--json")
    assert json.loads(output)["value"] == 4


def test_files_that_were_written_are_named(told, source, tmp_path):
    out = tmp_path / "out.csv"
    _, output, _ = told("reduce", source, "tas", "mean", "--over", "lat", "--out", out)
    assert f"wrote {out}" in output
    assert out.is_file()


@pytest.mark.parametrize("name", REDUCTION)
def test_every_reduction_is_named_in_the_help(capsys, name):
    assert run(["reduce", "--help"]) == 0
    assert re.search(rf"\b{name}\b", capsys.readouterr().out)


# -- the other commands ------------------------------------------------------------


def test_info_lists_the_variables(told, source):
    status, output, _ = told("info", source)
    assert status == 0
    assert "netcdf4, 9 variables" in output
    assert "time 24" in output
    assert "lon 6" in output
    assert re.search(
        r"tas +time, lat, lon +int16 +K +near-surface air temperature", output
    )
    assert re.search(r"station +lat +text", output)


def test_info_of_a_variable_says_how_it_is_stored(told, source):
    _, output, _ = told("info", source, "tas")
    assert re.search(
        r"packing +stored . 0.01 \+ 273.15; stored as int16, little-endian", output
    )
    assert re.search(r"missing +stored values equal to -999, below -9000", output)
    assert re.search(r"chunks +4 of 6 . 4 . 6", output)
    assert re.search(r"size +4.61 kB in memory, 1.15 kB stored \(ratio 1.00\)", output)
    assert re.search(r"cell_methods +time: mean", output)


def test_info_is_json_for_scripts(told, source):
    _, output, _ = told("info", source, "--json")
    assert json.loads(output)["variables"]["tas"]["dims"] == ["time", "lat", "lon"]
    _, output, _ = told("info", source, "tas", "--json")
    document = json.loads(output)
    assert document["storage"]["chunks"] == 4
    assert document["storage"]["stored_bytes"] == 24 * 4 * 6 * 2
    assert document["storage"]["absent_chunks"] == 0
    assert document["missing"] == {
        "values": [-999],
        "valid_min": -9000,
        "valid_max": None,
    }
    assert document["packing"] == {"scale_factor": 0.01, "add_offset": 273.15}


def test_info_of_text_says_that_it_cannot_be_reduced(told, source):
    status, output, _ = told("info", source, "station")
    assert status == 0
    assert "cannot be reduced" in output


def test_info_of_a_scalar(told, source):
    status, output, _ = told("info", source, "height")
    assert status == 0
    assert re.search(r"dimensions +none \(a scalar\)", output)


REAL = sorted((Path(__file__).parent.parent.parent / "shared" / "data").glob("*.nc"))


@pytest.mark.skipif(not REAL, reason="the real files are not beside the checkout")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_every_variable_of_real_files_can_be_shown_reduced_and_written(
    told, path, tmp_path
):
    with netCDF4.Dataset(path) as ds:
        names = list(ds.variables)
    for name in names:
        assert told("info", path, name)[0] == 0
        assert told("reduce", path, name, "mean", "--out", tmp_path / "x.json")[0] == 0
        out = tmp_path / "x.nc"
        assert told("reduce", path, name, "max", "--over", "none", "--out", out)[0] == 0
        with netCDF4.Dataset(out) as ds:
            np.testing.assert_array_equal(ds[name][:], unpacked(path, name))


def test_info_counts_chunks_that_were_never_written(told, tmp_path):
    path = tmp_path / "partly.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("x", 100)
        variable = ds.createVariable("v", "f8", ("x",), chunksizes=(10,), zlib=True)
        variable[:20] = 1.0
    _, output, _ = told("info", path, "v")
    assert re.search(r"unwritten +8 chunks, which hold 9.96", output)
    assert re.search(r"encoding +byte shuffle → zlib \(level 4\)", output)


def test_explain_says_who_would_answer(told, source):
    status, output, _ = told(
        "explain", source, "tas", "mean", "--over", "lat", "--select", "time=0:6"
    )
    assert status == 0
    assert "posix (1 chunks)" in output
    _, output, _ = told("explain", source, "tas", "--json")
    document = json.loads(output)
    assert (document["reduction"], document["chunks"]) == ("mean", 4)


def test_backends_lists_what_is_installed(told):
    _, output, _ = told("backends", "--json")
    (posix,) = [row for row in json.loads(output) if row["name"] == "posix"]
    assert posix["distribution"] == "activecore-posix"
    assert "select" in posix["operations"]
    assert posix["health"] is None
    _, output, _ = told("backends", "--check", "--json")
    (posix,) = [row for row in json.loads(output) if row["name"] == "posix"]
    assert posix["health"].startswith("ready")
    assert posix["problem"] is None
    assert "posix" in told("backends")[1]


def test_a_plugin_that_is_broken_is_a_row_and_hides_no_other(
    told, tmp_path, monkeypatch
):
    (tmp_path / "broken_plugin.py").write_text("import nothing_of_this_name")
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n"
    )
    (folder / "entry_points.txt").write_text("[activecore]\nsmashed = broken_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    status, output, _ = told("backends")
    assert status == 0
    assert "posix" in output
    assert re.search(r"smashed +failed +broken 1.0", output)
    assert "nothing_of_this_name" in output
    assert told("backends", "--check")[0] == 7


def test_config_shows_where_values_come_from_and_masks_secrets(
    told, tmp_path, monkeypatch
):
    file = tmp_path / "config.toml"
    file.write_text('threads = 3\n[backends.elsewhere]\nsecret = "hunter2"\n')
    monkeypatch.setenv("ACTIVECORE_DEADLINE", "60")
    status, output, errors = told("config", "--config", file)
    assert status == 0
    assert re.search(rf"threads +3 +file {re.escape(str(file))}", output)
    assert re.search(r"deadline +60.0 +environment ACTIVECORE_DEADLINE", output)
    assert "hunter2" not in output + errors
    _, output, _ = told("--config", file, "config", "--json")
    rows = {row["key"]: row for row in json.loads(output)}
    assert rows["threads"]["value"] == 3
    assert rows["on_failure"]["from"] == "default"
    assert "hunter2" not in output


def test_every_command_is_known_by_name():
    from activecore.cli.app import COMMANDS, app

    names = [
        command.name or command.callback.__name__ for command in app.registered_commands
    ]
    assert list(COMMANDS) == names


def test_the_version_is_that_of_the_distribution(told):
    from importlib.metadata import version

    assert told("--version") == (0, f"activecore {version('activecore')}\n", "")


# -- failures ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["rduce"], 2, "did you mean 'reduce'"),
        (["sing"], 2, "known: info, reduce"),
        (["info"], 2, "URL"),
        (["reduce", "{source}", "tas", "mean", "--ovr", "lat"], 2, "did you mean --over"),
        (["reduce", "{source}", "tas", "mean", "--threads", "many"], 2, "integer"),
        (["reduce", "{source}", "tas", "mean", "--threads", "0"], 2, "--threads"),
        (["reduce", "{source}", "tas", "mean", "--dtype", "flot"], 3, "not a dtype"),
        (["reduce", "{source}", "tas", "mean", "--profile", "no"], 3, "no profile 'no'"),
        (["info", "{source}", "--config", "no.toml"], 3, "there is no config file"),
        (["reduce", "{source}", "tas", "mean", "--out", "x.txt"], 3, "suffix must be"),
        (["reduce", "{source}", "tas", "mean", "--out", "{source}"], 3, "overwrite"),
        (["reduce", "{source}", "tas", "mean", "--plot", "x.gif"], 3, "suffix must be"),
        (["reduce", "nowhere.nc", "tas", "mean"], 4, "nowhere.nc"),
        (["reduce", "{source}", "tsa", "mean"], 4, "did you mean 'tas'"),
        (["reduce", "{source}", "station", "max"], 4, "cannot be reduced"),
        (["info", "{folder}"], 4, "is a directory"),
        (["info", "{empty}"], 4, "empty"),
        (["info", "{text}"], 4, "text"),
        (["reduce", "{source}", "tas", "men"], 5, "did you mean 'mean'"),
        (["reduce", "{source}", "tas", "mean", "--over", "alt"], 5, "did you mean 'lat'"),
        (["reduce", "{source}", "tas", "mean", "--select", "time=24"], 5, "out of range"),
        (["reduce", "{source}", "tas", "max", "--weights", "lat=cos"], 5, "takes no weights"),
        (["reduce", "{source}", "tas", "mean", "--plot", "x.png"], 5, "leaves nothing"),
        (["reduce", "{source}", "tas", "mean", "--over", "none", "--plot", "x.png"], 5, "3 axes"),
        (["reduce", "{source}", "tas", "mean", "--backend", "posx"], 7, "did you mean 'posix'"),
    ],
)  # fmt: skip
def test_failures_are_one_line_and_a_status(
    told, source, tmp_path, monkeypatch, words, status, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.nc").touch()
    (tmp_path / "text.nc").write_text("no data")
    (tmp_path / "folder").mkdir()
    places = {
        "source": source,
        "folder": "folder",
        "empty": "empty.nc",
        "text": "text.nc",
    }
    got, output, errors = told(*[word.format(**places) for word in words])
    assert got == status
    assert output == ""
    assert message in only_line(errors)


def test_nothing_is_read_before_the_output_is_known_to_fit(told, source, monkeypatch):
    import activecore.array

    monkeypatch.setattr(activecore.array.ActiveArray, "reduce", None)
    status, _, errors = told("reduce", source, "tas", "mean", "--plot", "nowhere/x.png")
    assert status == 3
    assert "there is no directory nowhere" in only_line(errors)


def test_without_matplotlib_a_plot_says_what_to_install(
    told, source, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plot = tmp_path / "x.png"
    status, _, errors = told(
        "reduce", source, "tas", "mean", "--over", "time", "--plot", plot
    )
    assert status == 3
    assert "pip install 'activecore[plot]'" in only_line(errors)


def test_an_unexpected_failure_is_one_line_and_a_traceback_on_demand(
    told, source, monkeypatch
):
    import activecore.array

    monkeypatch.setattr(activecore.array.ActiveArray, "reduce", lambda *_, **__: 1 / 0)
    status, _, errors = told("reduce", source, "tas", "mean")
    assert status == 1
    assert (
        "unexpected ZeroDivisionError: division by zero; run it again with -v"
        in only_line(errors)
    )
    status, _, errors = told("reduce", "-v", source, "tas", "mean")
    assert status == 1
    assert "Traceback (most recent call last)" in errors
    assert told("-v", "reduce", source, "tas", "mean")[2].count("Traceback") == 1


def test_a_disk_that_is_full_is_one_line(told, source, tmp_path, monkeypatch):
    from activecore.cli import writing

    def fail(*_):
        raise OSError(28, "No space left on device", "out.nc")

    monkeypatch.setattr(writing, "write", fail)
    status, _, errors = told(
        "reduce", source, "tas", "mean", "--out", tmp_path / "out.nc"
    )
    assert status == 8
    assert only_line(errors) == "out.nc: No space left on device"


def test_every_error_has_a_status():
    kinds = [kind for kind, _ in STATUS]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and kind is not errors.ActiveCoreError:
            assert any(issubclass(kind, known) for known in kinds), name


def test_every_status_is_documented():
    page = (Path(__file__).parent.parent / "docs" / "cli.md").read_text()
    documented = {
        int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    }
    assert documented == {0, 1, 2, 8, 130, 141, *(status for _, status in STATUS)}


def test_names_from_files_cannot_drive_the_terminal(told, tmp_path):
    path = tmp_path / "evil.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("x", 2)
        variable = ds.createVariable("v", "f8", ("x",))
        variable.long_name, variable.units = "\x1b[31mred\x1b]0;title\x07", "[bold]K[/]"
        variable[:] = [1, 2]
    for words in (["info", path], ["info", path, "v"], ["reduce", path, "v", "max"]):
        _, output, errors = told(*words)
        assert "\x1b" not in output + errors
        assert "[bold]K[/]" in output
    told("reduce", path, "\x1b[31mv", "max")
    assert clean("a\x1bb\nc") == "a�b c"


def test_secrets_in_a_url_are_not_repeated():
    assert public_url("s3://key:secret@host/bucket/x.nc") == "s3://host/bucket/x.nc"
    assert public_url("https://host/x.nc?X-Amz-Signature=abc") == "https://host/x.nc"
    assert public_url("plain?name.nc") == "plain?name.nc"
    line = history_line(["reduce", "https://u:p@host/x.nc?sig=abc", "tas", "mean"])
    assert line.endswith("activecore reduce https://host/x.nc tas mean")


def test_an_interrupted_run_is_no_failure_of_ours(capsys):
    assert report(KeyboardInterrupt()) == 130
    assert report(errors.Cancelled("the run was stopped")) == 130
    assert capsys.readouterr().err.splitlines()[0] == "activecore: stopped"


# -- as a process ------------------------------------------------------------------


def test_the_script_exits_with_the_status(source):
    with pytest.raises(SystemExit) as left:
        main(["info", source])
    assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        main(["info", "nowhere.nc"])
    assert left.value.code == 4


def test_a_pipe_gets_plain_text_and_no_progress_bar(source):
    done = subprocess.run(
        [*COMMAND, "reduce", source, "tas", "mean"], capture_output=True, check=True
    )
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout


def on_a_terminal(words, *, interrupt_at=None):
    """Run a command on a terminal; give its status and what it showed.

    Parameters
    ----------
    interrupt_at
        Text after which Ctrl-C is pressed.
    """
    mine, its = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        words, stdin=its, stdout=its, stderr=its, env=environment, close_fds=True
    )
    os.close(its)
    shown = ""
    while select.select([mine], [], [], 60)[0]:
        try:
            some = os.read(mine, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not some:
            break
        shown += some.decode(errors="replace")
        if interrupt_at is not None and interrupt_at in shown:
            process.send_signal(signal.SIGINT)
            interrupt_at = None
    os.close(mine)
    return process.wait(60), shown


def test_a_terminal_gets_a_progress_bar_and_colour(source):
    status, shown = on_a_terminal([*COMMAND, "reduce", source, "tas", "mean"])
    assert status == 0
    assert "4/4" in shown
    assert "\x1b[1m" in shown


def test_json_on_a_terminal_has_no_progress_bar(source):
    _, shown = on_a_terminal([*COMMAND, "reduce", source, "tas", "mean", "--json"])
    assert json.loads(shown)["variable"] == "tas"


def test_a_reader_that_goes_away_is_met_in_silence(source):
    command = f"{' '.join(COMMAND)} info {source} --json; echo $? >&2"
    done = subprocess.run(
        ["/bin/sh", "-c", f"({command}) | true"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() in ("141", "0")  # 0: it had written all before


def test_ctrl_c_stops_with_one_line(tmp_path):
    path = tmp_path / "big.nc"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("t", 4000)
        ds.createDimension("x", 20_000)
        variable = ds.createVariable(
            "v", "f4", ("t", "x"), chunksizes=(1, 20_000), zlib=True
        )
        variable[:] = 0
    words = ["-v", "reduce", str(path), "v", "std", "--threads", "1"]
    status, shown = on_a_terminal([*COMMAND, *words], interrupt_at="std of v")
    assert status == 130
    assert shown.rstrip().endswith("activecore: stopped")
    assert "Traceback" not in shown


def test_starting_up_imports_nothing_heavy():
    probe = (
        "import sys; from activecore.cli.running import run; run(['--version']);"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "h5py", "h5netcdf", "zarr", "fsspec", "matplotlib"}


# -- words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        (Codec.of("zlib", level=4), "zlib (level 4)"),
        (Codec.of("shuffle", elementsize=4), "byte shuffle"),
        (Codec.of("fletcher32"), "Fletcher-32 checksum"),
        (Codec.of("blosc", cname="lz4", clevel=5), "Blosc lz4 (level 5)"),
        (Codec.of("hdf5:32022", name="GBR"), "HDF5 filter 32022 (GBR)"),
        (Codec.of("zarr:odd"), "zarr:odd"),
    ],
)
def test_codecs_have_names_that_people_know(codec, words):
    assert codec_words(codec) == words


def test_missing_rules_are_said_in_words():
    rules = Missing(values=(1, 2), valid_min=0, valid_max=9)
    assert missing_words(rules) == "equal to 1 or 2, below 0, above 9"
