"""One program and several configurations: what is read where decides who computes."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from fake_distributions import install

from activecore.config import load_settings

EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRAM = EXAMPLES / "choose_at_run_time.py"
FILES = EXAMPLES / "choose_at_run_time"

OTHER = """
import fsspec
from typing import ClassVar
import activecore as ac

class Backend(ac.ByteRangeBackend):
    name = {name!r}
    contract: ClassVar[tuple[int, int]] = (1, 0)

    def filesystem(self, url):
        return fsspec.filesystem("file")

    def read_range(self, source, offset, size):
        with open(source, "rb") as file:
            file.seek(offset)
            return file.read(size)

@ac.hookimpl
def activecore_backend():
    return Backend
"""


@pytest.fixture
def machine(tmp_path):
    """A machine of its own: places for configuration, two more backends, a file."""
    site = tmp_path / "site-packages"
    site.mkdir()
    for name in ("alpha", "beta"):
        install(site, name, OTHER.format(name=name))
    for place in ("etc", "home", "spare"):
        (tmp_path / place / "activecore").mkdir(parents=True)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for path in ("data/tas.nc", "data/deep/tas.nc"):
        with netCDF4.Dataset(tmp_path / path, "w") as ds:
            ds.createDimension("x", 10)
            ds.createVariable("tas", "f8", ("x",))[:] = np.arange(10)
    return tmp_path


@pytest.fixture
def answered(machine):
    """Run the program as a service account would; give who answered."""

    def answered(path="data/tas.nc", **variables):
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(machine / path), "tas"],
            cwd=machine,
            env={
                "PYTHONPATH": str(machine / "site-packages"),
                "PATH": os.environ["PATH"],
                "XDG_CONFIG_HOME": str(machine / "home"),
                "XDG_CONFIG_DIRS": f"{machine / 'etc'}:{machine / 'spare'}",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "mean of tas: 4.5" in done.stdout
        return done.stdout.partition("answered by ")[2].split()[0]

    return answered


def configure(place, backend):
    (place / "activecore" / "config.toml").write_text(f'backend = "{backend}"\n')


def test_places_are_read_in_the_order_that_the_docs_say(machine, answered):
    assert answered() == "posix"  # nothing is configured: the scheme's
    configure(machine / "spare", "alpha")
    assert answered() == "alpha"
    configure(machine / "etc", "beta")  # the first of the site's folders
    assert answered() == "beta"
    configure(machine / "home", "alpha")  # the account's own
    assert answered() == "alpha"
    named = machine / "job.toml"
    named.write_text('backend = "beta"\n')
    assert answered(ACTIVECORE_CONFIG=str(named)) == "beta"
    both = {"ACTIVECORE_CONFIG": str(named), "ACTIVECORE_BACKEND": "posix"}
    assert answered(**both) == "posix"


def test_routes_choose_by_prefix_and_the_longest_wins(machine, answered):
    (machine / "etc" / "activecore" / "config.toml").write_text(
        f'[[routes]]\nprefix = "{machine}/data"\nbackend = "alpha"\n'
        f'[[routes]]\nprefix = "{machine}/data/deep"\nbackend = "beta"\n'
    )
    assert answered() == "alpha"
    assert answered("data/deep/tas.nc") == "beta"


def test_an_account_without_a_home_is_served_by_the_site_s_file(machine, answered):
    configure(machine / "etc", "alpha")
    assert answered(XDG_CONFIG_HOME=str(machine / "nowhere")) == "alpha"


def test_the_file_for_disks_serves_the_program(answered):
    assert answered(ACTIVECORE_CONFIG=str(FILES / "posix.toml")) == "posix"


@pytest.mark.parametrize(
    ("name", "url", "backends"),
    [
        ("posix", "/data/tas.nc", ("posix",)),
        ("s3", "s3://bucket/tas.nc", ("s3numpy",)),
        ("reductionist", "s3://bucket/tas.nc", ("reductionist", "s3numpy")),
    ],
)
def test_the_three_files_load_and_route(name, url, backends, monkeypatch):
    monkeypatch.delenv("ACTIVECORE_BACKEND", raising=False)
    settings = load_settings(FILES / f"{name}.toml")
    assert settings.at(url).backend == backends


def test_the_three_files_hold_no_secret():
    for path in FILES.glob("*.toml"):
        tables = tomllib.loads(path.read_text()).get("backends", {})
        for table in tables.values():
            assert set(table) <= {"endpoint_url", "url"}
