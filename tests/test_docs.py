"""Every snippet of the READMEs and the docs runs; every link inside the project leads
somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import activecore
import activecore.errors
import activecore.testing
from activecore import hookspecs
from activecore.config import load_settings
from activecore.testing import active_array, array_info

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]
# A fence in a tab of the site is indented.
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
RUN = {"python", "console", "toml", "sh", "text"}
"""What is run, in one way or another; text is what was printed."""
ELSEWHERE = re.compile(r"\b(s3|https)://")
"""Stores and servers that are not there where tests run."""
OPENED_ELSEWHERE = re.compile(r"open\(\s*\"" + ELSEWHERE.pattern)


def fences(page):
    return [
        (kind, textwrap.dedent(text))
        for _, kind, text in FENCE.findall(page.read_text())
    ]


def snippets(language):
    found = [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(fences(page))
        if kind == language
    ]
    assert found, f"there is no {language} snippet"
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_snippet_is_one_that_is_not_run(page):
    assert {kind for kind, _ in fences(page)} <= RUN
    # What is indented is code too, behind an empty line and outside of lists.
    prose = FENCE.sub("", page.read_text())
    assert re.findall(r"^(?![-*=0-9 ]).*\n\n(    .*)", prose, re.MULTILINE) == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the snippets are about."""
    monkeypatch.chdir(tmp_path)
    # Nobody answers there, and that is found out at once.
    for name, value in {
        "ACTIVECORE_RETRIES": "0",
        "ACTIVECORE_TIMEOUT": "2",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
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
    if OPENED_ELSEWHERE.search(code) and "except" not in code:
        with pytest.raises(activecore.BackendUnavailable):
            run_python(code)
    else:
        run_python(code)


def test_the_backend_of_the_readme_is_one():
    (code,) = [
        text for _, text in fences(ROOT / "README.md") if "ByteRangeBackend" in text
    ]
    names = {"__name__": "snippet"}
    exec(code, names)  # noqa: S102
    backend = names["MemoryBackend"]()
    files = backend.filesystem("memory://")

    def put(name, data):
        files.pipe_file(f"/{name}", data)
        return f"/{name}"

    info = array_info(np.arange(12.0), (5,), put=put)
    assert active_array(info, backend).sum() == 66


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


VERBS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
)
NOT_REACHABLE = 7
"""Exit status of a command whose store or server is not there."""


@pytest.mark.parametrize("text", snippets("console"))
def test_commands_in_console_snippets_are_right(text, folder):
    for line in text.splitlines():
        assert line.startswith("$ "), line
        words = shlex.split(line.removeprefix("$ "), comments=True)
        match words:
            case ["activecore", *_]:
                check_command(line, ["-m", *words])
            case ["python", "-m", "activecore.testing", *_]:
                check_command(line, words[1:])
            case ["make", *verbs]:
                assert set(verbs) <= VERBS, line
            case ["pip", "install", *targets]:
                for target in targets:
                    assert_installable(target)
            case _:
                assert words[0] in ("git", "cd"), line


def check_command(line, words):
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False
    )
    elsewhere = ELSEWHERE.search(line) or "--check" in words
    expected = NOT_REACHABLE if elsewhere else 0
    assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"


def assert_installable(target):
    if target.startswith("activecore["):
        assert set(target[len("activecore[") : -1].split(",")) <= EXTRAS, target
    else:
        assert target == "matplotlib" or (ROOT / target / "pyproject.toml").exists()


@pytest.mark.parametrize("text", snippets("toml"))
def test_configuration_snippets_load(text, folder):
    tomllib.loads(text)
    if "[project" in text or "[tool" in text or "[build-system" in text:
        return
    (folder / "config.toml").write_text(text)
    # This checks the tables of backends as well, in profiles too.
    check_command("", ["-m", "activecore", "config", "--config", "config.toml"])


@pytest.mark.parametrize("text", snippets("sh"))
def test_variables_in_shell_snippets_are_known(text, folder, monkeypatch):
    for name in [name for name in os.environ if name.startswith("ACTIVECORE_")]:
        monkeypatch.delenv(name)
    for line in text.splitlines():
        export, assignment = shlex.split(line)
        assert export == "export"
        monkeypatch.setenv(*assignment.split("=", 1))
    load_settings()  # what it does not know is an error


def test_every_page_has_a_place_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert re.match(r"decisions/0", name) or name in site, name


def test_every_public_name_is_in_the_reference():
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    text = "\n".join(page.read_text() for page in pages)
    shown = {*re.findall(r"^::: (activecore\.[\w.]+)$", text, re.MULTILINE)}
    # These pages take in whole modules; constants are told of in passing.
    shown |= {f"activecore.{name}" for name in activecore.errors.__all__}
    shown |= {f"activecore.{name}" for name in hookspecs.__all__}
    told = {f"activecore.{name}" for name in re.findall(r"`([A-Z]+)`", text)}
    names = [f"activecore.{name}" for name in activecore.__all__]
    names += [f"activecore.testing.{name}" for name in activecore.testing.__all__]
    assert [name for name in names if name not in shown | told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
