"""Every snippet of the README and the docs runs; every link inside the project leads
somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import activecore
import activecore.errors
from activecore import hookspecs
from activecore.config import load_settings

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(language):
    found = [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text()))
        if kind == language
    ]
    assert found, f"there is no {language} snippet"
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the snippets are about."""
    monkeypatch.chdir(tmp_path)
    with netCDF4.Dataset("tas.nc", "w") as ds:
        for name, size in (("time", 24), ("lat", 18), ("lon", 36)):
            ds.createDimension(name, size)
        time = ds.createVariable("time", "f8", ("time",))
        time.units = "days since 2000-01-01"
        time[:] = np.arange(24) * 30
        lat = ds.createVariable("lat", "f8", ("lat",))
        lat.units = "degrees_north"
        lat[:] = np.linspace(-85, 85, 18)
        lon = ds.createVariable("lon", "f8", ("lon",))
        lon.units = "degrees_east"
        lon[:] = np.arange(36) * 10.0
        tas = ds.createVariable(
            "tas", "f4", ("time", "lat", "lon"), zlib=True, chunksizes=(12, 18, 36)
        )
        tas.units, tas.long_name = "K", "near-surface air temperature"
        tas[:] = np.random.default_rng(0).normal(280, 15, (24, 18, 36))
    return tmp_path


def run_python(code):
    exec(compile(code, "<snippet>", "exec", dont_inherit=True), {"__name__": "snippet"})  # noqa: S102


@pytest.mark.parametrize("code", snippets("python"))
def test_python_snippets_run(code, folder):
    run_python(code)


WITH_OUTPUT = re.compile(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        pytest.param(code, output, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (code, output) in enumerate(WITH_OUTPUT.findall(page.read_text()))
    ],
)
def test_what_a_page_says_is_printed_is_printed(code, output, folder, capsys):
    run_python(code)
    assert capsys.readouterr().out == output


@pytest.mark.parametrize("text", snippets("console"))
def test_activecore_commands_in_console_snippets_run(text, folder):
    for line in text.splitlines():
        if not line.startswith("$ activecore "):
            continue
        words = shlex.split(line.removeprefix("$ activecore "), comments=True)
        done = subprocess.run(
            [sys.executable, "-m", "activecore", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("text", snippets("toml"))
def test_configuration_snippets_load(text, folder, monkeypatch):
    tomllib.loads(text)
    if "[project" in text or "[tool" in text or "[build-system" in text:
        return
    (folder / "config.toml").write_text(text)
    load_settings(folder / "config.toml")


def test_every_page_has_a_place_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert re.match(r"decisions/0", name) or name in site, name


def test_every_public_name_is_in_the_reference():
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    text = "\n".join(page.read_text() for page in pages)
    # These pages take in whole modules.
    listed = {*re.findall(r"\w+", text), *activecore.errors.__all__, *hookspecs.__all__}
    assert [name for name in activecore.__all__ if name not in listed] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
