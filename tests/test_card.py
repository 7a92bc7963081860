"""The report card of a backend, as its author gets it from the shell."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_distributions import backend_source, install, install_metadata

from activecore.cli.card import main
from activecore.testing import BackendConformance, FakeBackend, Rig
from activecore.testing.card import report_card
from activecore.testing.measure import accuracies
from activecore.testing.outcomes import checks

RIGGED = """
import activecore as ac
from activecore.testing import FakeBackend, Rig

OBJECTS = {}

class Backend(FakeBackend):
    name = NAME
    contract = (1, 0)

    def __init__(self, options=None):
        super().__init__(options, objects=OBJECTS)

    def __getstate__(self):
        return {}

    def __setstate__(self, state):
        self.__init__()

class TheRig(Rig):
    def backend(self):
        return Backend()

    def put(self, name, data):
        OBJECTS[name] = bytes(data)
        return name

    def delete(self, source):
        del OBJECTS[source]

@ac.hookimpl
def activecore_backend():
    return Backend
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def rigged(site):
    """Install a backend, changed by some code, and its rig."""

    def rigged(name, change=""):
        source = RIGGED.replace("NAME", repr(name)) + change
        module = install(site, name, source)
        install_metadata(
            site, f"{name}-rig",
            entry_points=f"[activecore.testing]\n{name} = {module}:TheRig\n",
        )  # fmt: skip

    return rigged


@pytest.fixture
def told(capsys):
    def tell(*words):
        status = main(list(words))
        output, errors = capsys.readouterr()
        return status, output, errors

    return tell


def test_posix_keeps_every_obligation_without_a_rig_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "activecore.testing", "posix", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    card = json.loads(done.stdout)
    assert card["passed"] is True
    assert (card["backend"], card["distribution"]) == ("posix", "activecore-posix")
    assert [one["check"] for one in card["obligations"]] == checks()
    verdicts = {one["verdict"] for one in card["obligations"]}
    assert verdicts == {"passed", "not applicable"}
    assert sum(one["passed"] for one in card["obligations"]) > 700
    assert all(one["offered"] for one in card["capabilities"])
    assert {one["operation"] for one in card["accuracies"]} >= {"sum", "moments"}
    assert all(one["error"] < 1e-14 for one in card["accuracies"])
    assert all(one["seconds"] > 0 for one in card["speeds"])


def test_an_answer_that_is_no_number_is_not_called_exact():
    class NoNumber(FakeBackend):
        def reduce_chunks(self, batch):
            partial = super().reduce_chunks(batch)
            if any(value.dtype.kind != "f" for value in partial.values):
                return partial
            nothing = tuple(np.full_like(value, np.nan) for value in partial.values)
            return dataclasses.replace(partial, values=nothing)

    def bench():
        backend = NoNumber()
        suite = BackendConformance()
        suite.put = backend.put
        return suite, backend

    errors = {(a.operation, a.dtype): a.error for a in accuracies(bench)}
    assert errors["sum", "float32"] == errors["moments", "float64"] == np.inf
    assert errors["count", "float32"] == 0


def test_an_installed_rig_is_found_and_the_card_is_readable(told, rigged):
    rigged("rigged")
    status, output, errors = told("rigged")
    assert (status, errors) == (0, "")
    assert "backend rigged of fake-rigged 1.0, contract 1.0" in output
    assert "threads share an instance" in output
    assert "can: codec: zlib" in output
    assert "µs a chunk" in output
    assert output.splitlines()[-1].endswith("0 failed, 2 not applicable")


def test_a_failed_obligation_says_what_came_and_why_and_fails_the_command(told, rigged):
    change = """
from dataclasses import replace
def wrong(self, batch):
    missing = replace(batch.missing, values=())
    return FakeBackend.reduce_chunks(
        self, replace(batch, layout=replace(batch.layout, missing=missing)))
Backend.reduce_chunks = wrong
"""
    rigged("forgetful", change)
    status, output, _ = told("forgetful")
    assert status == 1
    assert "FAILED" in output
    assert "diagnosis: missing value -7.0 was not applied" in output
    assert "usually:   every rule applies at once" in output
    assert "more like these" in output
    _, output, _ = told("forgetful", "--json")
    card = json.loads(output)
    assert card["passed"] is False
    failed = {one["check"] for one in card["obligations"] if one["verdict"] == "failed"}
    assert "test_core_select_gives_the_elements" in failed
    assert "test_core_threads_share_an_instance" not in failed


def test_what_is_refused_is_told_with_the_backend_s_reason(told, rigged):
    rigged(
        "choosy",
        "\nBackend.operations = frozenset({'select', 'max'})\n"
        "def why_not(self, batch):\n"
        "    if batch.dtype.kind == 'f' and batch.dtype.itemsize == 2:\n"
        "        return 'it has no half floats'\n"
        "    return FakeBackend.why_not(self, batch)\n"
        "Backend.why_not = why_not\n",
    )
    status, output, _ = told("choosy")
    assert status == 0
    assert "cannot: dtype float16 (it has no half floats)" in output
    assert "cannot: operation sum (sum is not listed)" in output


@pytest.mark.timeout(60)
def test_a_backend_that_hangs_is_told_so_and_not_asked_for_ever(told, rigged):
    rigged(
        "sleepy",
        "\nimport time\nBackend.read_range = lambda *_: time.sleep(600)\n",
    )
    status, output, _ = told("sleepy", "--time-limit", "0.2")
    assert status == 1
    assert "came back: nothing; it hangs" in output
    assert "not asked any more: it hung 3 times" in output


def test_a_rig_of_this_folder_can_be_named(told, rigged, tmp_path, monkeypatch):
    rigged("elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rig.py").write_text(
        "from activecore.testing import FakeBackend, Rig\n"
        "class Mine(Rig):\n"
        "    def __init__(self, folder):\n"
        "        super().__init__(folder)\n"
        "        self.objects = {}\n"
        "    def backend(self):\n"
        "        return FakeBackend(objects=self.objects)\n"
        "    def put(self, name, data):\n"
        "        self.objects[name] = data\n"
        "        return name\n"
    )
    status, output, _ = told("elsewhere", "--rig", "my_rig:Mine", "--json")
    assert json.loads(output)["backend"] == "fake"
    assert status == 0
    for wrong in ("my_rig:Yours", "no_such:Rig", "my_rig:FakeBackend", ":", "my_rig"):
        status, _, errors = told("elsewhere", "--rig", wrong)
        assert status == 3
        assert wrong in errors
        assert len(errors.splitlines()) == 1


def test_without_a_rig_the_author_is_told_what_to_name(told, site):
    install(site, "rigless", backend_source("rigless"))
    status, output, errors = told("rigless")
    assert (status, output) == (3, "")
    assert "--scratch" in errors
    assert "--rig" in errors
    assert "activecore.testing" in errors


def test_a_place_that_cannot_be_written_to_is_said(told, tmp_path):
    (tmp_path / "file").touch()
    status, _, errors = told("posix", "--scratch", str(tmp_path / "file" / "below"))
    assert status == 3
    assert "cannot be written to" in errors


def test_an_unknown_backend_or_option_is_one_line(told):
    status, _, errors = told("psix")
    assert status == 7
    assert "did you mean 'posix'?" in errors
    status, _, errors = told("posix", "--option", "acess=mmap")
    assert status == 3
    assert "did you mean 'access'?" in errors
    assert told("posix", "--option", "access")[0] == 3
    assert told()[0] == 2


def test_an_option_reaches_the_backend(told):
    status, output, _ = told("posix", "--option", "access=mmap")
    assert status == 0
    assert "0 failed" in output


def test_two_rigs_for_one_backend_are_both_named(told, rigged, site):
    rigged("doubly")
    install_metadata(site, "other", entry_points="[activecore.testing]\ndoubly = a:b\n")
    status, _, errors = told("doubly")
    assert status == 3
    assert "doubly-rig 1.0 and other 1.0" in errors


def test_without_pytest_the_suite_says_what_to_install():
    code = "import sys; sys.modules['pytest'] = None; import activecore.testing"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "pip install 'activecore[testing]'" in done.stderr.splitlines()[-1]


def test_a_rig_serves_python_too():
    class Fakes(Rig):
        objects = {}  # noqa: RUF012 - shared by its backends

        def backend(self):
            return FakeBackend(objects=self.objects)

        def put(self, name, data):
            self.objects[name] = data
            return name

    noticed = []
    card = report_card(lambda: Fakes(None), notice=lambda *args: noticed.append(args))
    assert card.passed
    assert len(noticed) == len(card.obligations) == len(checks())


def test_the_guide_names_every_obligation():
    guide = (Path(__file__).parent.parent / "docs" / "backend-authors.md").read_text()
    table = guide.partition("## The obligations")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_0-9]+)`", table))
    short = {re.sub("test_(core|capability)_", "", name) for name in checks()}
    through_the_core = "reductions_need_no_operation_that_is_not_listed"
    others = {"results_are_their_own_memory", "large_batch", through_the_core}
    assert short - named <= others
