"""What the four distributions promise, and the verbs of the Makefile."""

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ["posix", "s3numpy", "reductionist"]
EXTRAS = {*PLUGINS, "xarray", "dask", "plot", "fast", "codecs", "testing", "all"}


def project(name=None):
    folder = ROOT if name is None else ROOT / "plugins" / name
    return tomllib.loads((folder / "pyproject.toml").read_text())


def names_of(requirements):
    return {re.match(r"[A-Za-z0-9_.-]+", text)[0] for text in requirements}


def test_there_are_these_four_distributions():
    found = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert found == set(PLUGINS)


@pytest.mark.parametrize("name", [None, *PLUGINS])
def test_every_distribution_is_built_with_hatchling_for_python_3_11(name):
    table = project(name)
    assert table["build-system"]["build-backend"] == "hatchling.build"
    assert table["project"]["requires-python"] == ">=3.11"
    assert table["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("name", [None, *PLUGINS])
def test_every_distribution_lists_what_it_ships(name):
    table = project(name)
    package = "activecore" if name is None else f"activecore_{name}"
    folder = ROOT if name is None else ROOT / "plugins" / name
    targets = table["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == [package]
    assert package in targets["sdist"]["only-include"]
    for shipped in targets["sdist"]["only-include"]:
        assert (folder / shipped).exists()


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_has_the_core_s_version_and_licence(name):
    assert project(name)["project"]["version"] == project()["project"]["version"]
    licence = ROOT / "plugins" / name / "LICENSE"
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_extends_the_one_set_of_lint_rules(name):
    assert project(name)["tool"] == {
        "hatch": project(name)["tool"]["hatch"],
        "ruff": {"extend": "../../pyproject.toml"},
    }


def test_the_core_depends_on_no_plugin():
    names = names_of(project()["project"]["dependencies"])
    assert not any(name.startswith("activecore") for name in names)


def test_the_extras_are_these_and_all_is_all_of_them():
    extras = project()["project"]["optional-dependencies"]
    assert set(extras) == EXTRAS
    for name in PLUGINS:
        assert extras[name] == [f"activecore-{name}"]
    (everything,) = extras["all"]
    listed = re.fullmatch(r"activecore\[(.*)\]", everything)[1].split(",")
    # What tests a backend is no part of what answers.
    assert set(listed) == EXTRAS - {"all", "testing"}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_depends_on_the_core_and_on_nothing_the_core_makes_heavier(name):
    names = names_of(project(name)["project"]["dependencies"])
    assert "activecore" in names
    # The Reductionist server is told of objects in the store that s3numpy reads.
    others = {"activecore-s3numpy"} if name == "reductionist" else set()
    assert {other for other in names if other.startswith("activecore-")} == others


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_is_installed_and_registered_by_the_name_of_its_extra(name):
    (entry,) = entry_points(group="activecore", name=name)
    assert entry.value == f"activecore_{name}"
    assert entry.dist.name == f"activecore-{name}"
    assert entry.dist.version == version("activecore")


def test_schemes_point_at_the_same_object_as_the_backend_itself():
    backends = {entry.value for entry in entry_points(group="activecore")}
    schemes = entry_points(group="activecore.schemes")
    assert {entry.value for entry in schemes} <= backends
    assert [entry.value for entry in schemes if entry.name == "file"] == [
        "activecore_posix"
    ]


def test_every_dependency_has_its_reason_in_the_decisions():
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    wanted = set()
    for name in (None, *PLUGINS):
        wanted |= names_of(project(name)["project"]["dependencies"])
    for requirements in project()["project"]["optional-dependencies"].values():
        wanted |= names_of(requirements)
    wanted |= names_of(project()["dependency-groups"]["dev"])
    ours = {name for name in wanted if name.startswith("activecore")}
    unexplained = [
        name
        for name in sorted(wanted - ours)
        if not re.search(rf"\b{re.escape(name)}\b", page)
    ]
    assert unexplained == []


def test_decisions_are_numbered_and_dated():
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers) > 0
    for page, number in zip(pages, numbers, strict=True):
        title, _, date = page.read_text().splitlines()[:3]
        assert title.startswith(f"# {number}. ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)


def makefile_verbs():
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^\.PHONY: (\w+)$", text, re.MULTILINE))


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@needs_make
def test_make_without_a_verb_lists_them_all():
    run = subprocess.run(
        ["make"],  # noqa: S607 - the user's own
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    listed = set(re.findall(r"^  make (\w+) ", run.stdout, re.MULTILINE))
    assert listed == makefile_verbs()
    assert {"setup", "test", "lint", "types", "demo", "live", "fuzz"} <= listed


@needs_make
def test_make_leaves_an_environment_alone_that_it_did_not_make(tmp_path):
    (tmp_path / "precious").touch()
    run = subprocess.run(
        ["make", "setup", f"VENV={tmp_path}"],  # noqa: S607 - the user's own
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert "was not made by make" in run.stderr
    assert (tmp_path / "precious").exists()


def test_every_verb_is_explained_to_contributors():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert {verb for verb in makefile_verbs() if f"`make {verb}" not in page} <= {
        "help"
    }


@pytest.mark.parametrize("script", ["run", "from_wheels", "strangers"])
def test_ci_scripts_are_executable_and_stop_at_the_first_failure(script):
    path = ROOT / ".ci" / script
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text()
