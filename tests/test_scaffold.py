"""``activecore new-backend``: what it writes works as it is, or nothing is written."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fake_distributions import backend_source, install, install_metadata

from activecore import ConfigError
from activecore.cli.running import run
from activecore.readers.choose import builtin_readers
from activecore.scaffold import Names, check_name, write_distribution

LONGEST = "twenty_letters_store"


def told(capsys, *words):
    status = run([str(word) for word in words])
    return (status, *capsys.readouterr())


def python(*words, cwd, **variables):
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(
    params=[("mystore", False), (LONGEST, False), ("my_format", True), ("ab", True)],
    ids=str,
)
def written(request, tmp_path):
    name, reader = request.param
    return write_distribution(check_name(name), tmp_path, reader=reader), name, reader


def test_what_is_written_is_whole_and_clean(written):
    folder, name, reader = written
    names = Names(name)
    files = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert files >= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".gitignore",
        ".github/workflows/ci.yml",
        f"{names.module}/__init__.py",
        f"{names.module}/py.typed",
        "tests/test_conformance.py",
    }
    for path in files:
        text = (folder / path).read_text()
        assert "$module" not in text
        assert "$name" not in text
        assert "$Class" not in text
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == names.distribution
    assert project["entry-points"]["activecore"] == {name: names.module}
    assert ("activecore.testing" in project["entry-points"]) is not reader
    assert "activecore>=0.1,<0.2" in project["dependencies"]
    assert "${{ matrix.python }}" in (folder / ".github/workflows/ci.yml").read_text()
    python("ruff", "check", cwd=folder)
    python("ruff", "format", "--check", cwd=folder)
    python("mypy", "--no-incremental", cwd=folder, MYPYPATH=".")


def test_as_it_is_its_tests_pass_and_activecore_shows_it(written, tmp_path):
    folder, name, reader = written
    site = tmp_path / "site"
    python(
        "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
        "--disable-pip-version-check", "--target", str(site), str(folder),
        cwd=tmp_path,
    )  # fmt: skip
    report = python(
        "pytest", "-p", "no:cacheprovider", cwd=folder, PYTHONPATH=str(site)
    )
    assert " passed" in report
    assert "failed" not in report
    listing = python("activecore", "backends", cwd=tmp_path, PYTHONPATH=str(site))
    assert f"{Names(name).distribution} 0.1.0" in listing
    if not reader:
        card = python("activecore.testing", name, cwd=tmp_path, PYTHONPATH=str(site))
        assert card.splitlines()[-1].endswith("0 failed, 1 not applicable")


def test_a_backend_and_a_reader_of_one_wheel_ship_their_templates():
    from importlib.resources import files

    templates = files("activecore.scaffold") / "templates"
    assert {item.name for item in templates.iterdir()} == {
        "backend", "common", "reader",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My-Store", "'my_store' would do"),
        ("my store", "'my_store' would do"),
        ("activecore-mystore", "'mystore' would do"),
        ("9lives", "beginning with a letter"),
        ("", "beginning with a letter"),
        ("a", "beginning with a letter"),
        ("a__b", "single underscores"),
        ("_a", "cannot be the name"),
        ("../etc", "cannot be the name"),
        ("naïve", "cannot be the name"),
        ("class", "a word of Python's own"),
        ("match", "a word of Python's own"),
        ("activecore", "leave 'activecore' out"),
        ("activecore_x", "leave 'activecore' out"),
        ("testing", "means something to activecore already"),
        ("zarr", "means something to activecore already"),
        ("posix", "the plugin 'posix' of activecore-posix"),
        ("x" * 21, "longer than 20"),
    ],
)
def test_names_are_checked_and_nothing_is_written(name, reason, tmp_path, capsys):
    status, output, errors = told(capsys, "new-backend", name, "--directory", tmp_path)
    assert (status, output) == (3, "")
    assert reason in errors
    assert len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_names_of_built_in_readers_are_taken():
    for reader in builtin_readers():
        with pytest.raises(ConfigError):
            check_name(reader.name)


def test_what_is_installed_is_taken(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "somestore", backend_source("somestore"))
    install_metadata(tmp_path, "activecore-dist-only")
    (tmp_path / "activecore_loose.py").touch()
    for name, reason in (
        ("somestore", "the plugin 'somestore' of fake-somestore 1.0 is installed"),
        ("dist_only", "activecore-dist-only 1.0 is installed"),
        ("loose", "there is a module activecore_loose"),
    ):
        with pytest.raises(ConfigError, match=reason):
            check_name(name)


def make_folder(path):
    path.mkdir()
    (path / "precious").write_text("mine")


def make_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_folder, Path.touch, make_link, Path.mkdir])
def test_what_exists_is_never_overwritten(make, tmp_path, capsys):
    target = tmp_path / "activecore-mystore"
    make(target)
    before = sorted(tmp_path.rglob("*"))
    status, _, errors = told(capsys, "new-backend", "mystore", "--directory", tmp_path)
    assert status == 3
    assert "exists already; nothing was written" in errors
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_half_written_is_left_behind(tmp_path, monkeypatch, capsys):
    from activecore.scaffold import write

    written = []

    def fail(folder, name, text, values):
        written.append(name)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        original(folder, name, text, values)

    original = write._write
    monkeypatch.setattr(write, "_write", fail)
    status, _, errors = told(capsys, "new-backend", "mystore", "--directory", tmp_path)
    assert status == 3
    assert "No space left on device" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_said(tmp_path, capsys):
    status, _, errors = told(
        capsys, "new-backend", "mystore", "--directory", tmp_path / "gone"
    )
    assert status == 3
    assert "No such file or directory" in errors


def test_the_folder_is_as_others_make_theirs_and_the_way_on_is_said(tmp_path, capsys):
    mask = os.umask(0o022)
    try:
        _, output, _ = told(capsys, "new-backend", "mystore", "--directory", tmp_path)
    finally:
        os.umask(mask)
    assert (tmp_path / "activecore-mystore").stat().st_mode & 0o777 == 0o755
    assert "FILL IN" in output
    assert "pip install -e . --group dev && pytest" in output
