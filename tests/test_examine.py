"""Plugins that misbehave in every way, side by side with one that does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest
from fake_distributions import backend_source, install, reader_source

from activecore.cli.examine import examine_plugins

CHECKED = "\nBackend.check = check\n"


def health(name, check):
    """Write a plugin whose ``check`` does this."""
    return backend_source(name) + f"\ndef check(self):\n    {check}" + CHECKED


MISBEHAVING = {
    "raising": ("1 / 0", "it cannot be imported: ZeroDivisionError"),
    "quitting": ("import os; os._exit(3)", "ended the process while being imported"),
    "crashing": (
        "import ctypes; ctypes.string_at(0)",
        "ended the process while being imported",
    ),
    "hanging": (
        "import time; time.sleep(600)",
        "hangs: after 2 s it was still being imported",
    ),
    "badcheck": (health("badcheck", "return {}[0]"), "KeyError: 0"),
    "exitcheck": (health("exitcheck", "raise SystemExit(1)"), "SystemExit: 1"),
    "hangcheck": (
        health("hangcheck", "import time; time.sleep(600)"),
        "hangs: after 2 s it was still asked whether it works",
    ),
    "hangfiles": (
        health("hangfiles", "self.filesystem('x')").replace(
            "def filesystem(self, url):\n        raise NotImplementedError",
            "def filesystem(self, url):\n        import time; time.sleep(600)",
        ),
        "hangs: after 2 s it was still asked whether it works",
    ),
}

PRINTING = (
    "import os, sys\nprint('{\"name\": \"forged\"}')\nos.write(1, b'raw\\n')\n"
    "print('oops', file=sys.stderr)\n"
)
LEAKING = (
    "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(600,), name='left').start()\n"
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def rows_of(**task):
    return {row["name"]: row for row in examine_plugins(**task)}


def test_each_misbehaving_plugin_is_its_own_row_and_harms_no_other(site):
    for name, (source, _) in MISBEHAVING.items():
        install(site, name, source)
    for name in ("aaa", "hello", "zzz"):
        install(site, name, health(name, "return 'well'"))
    rows = rows_of(check=True, limit=2)
    for name, (_, reason) in MISBEHAVING.items():
        assert reason in rows[name]["problem"], name
        assert f"fake-{name}" == rows[name]["distribution"]
    for name in ("aaa", "hello", "zzz"):
        assert rows[name]["health"] == "well"
        assert rows[name]["problem"] is None
    assert rows["posix"]["health"].startswith("ready")


def test_what_plugins_print_stays_out_of_the_answer(site):
    install(site, "printing", PRINTING + health("printing", "print('hm'); return 'ok'"))
    rows = rows_of(check=True)
    assert rows["printing"]["health"] == "ok"
    assert "forged" not in rows


def test_a_thread_that_a_plugin_leaves_is_named_and_keeps_nobody_waiting(site):
    install(site, "leaking", LEAKING + backend_source("leaking"))
    start = time.monotonic()
    rows = rows_of(check=False)
    assert time.monotonic() - start < 60
    assert rows["leaking"]["warnings"] == ["it leaves threads running: left"]
    assert rows["leaking"]["problem"] is None


def test_a_reader_s_contract_is_shown_and_another_major_is_refused(site):
    install(site, "reading", reader_source("reading"))
    install(
        site,
        "elsewhen",
        reader_source("elsewhen").replace(
            "name = 'elsewhen'", "name = 'elsewhen'\n    contract = (2, 0)"
        ),
    )
    rows = rows_of(check=False)
    assert (rows["reading"]["kind"], rows["reading"]["contract"]) == ("reader", "1.0")
    assert "is written for contract 2.0" in rows["elsewhen"]["problem"]
    assert rows["elsewhen"]["problem"].endswith("upgrade activecore")


def test_the_current_directory_is_no_place_for_modules(site, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('found in the folder')")
    monkeypatch.chdir(tmp_path)
    assert rows_of(check=False)["posix"]["problem"] is None


def test_the_command_shows_all_of_them_and_fails_when_asked_to_check(site):
    install(site, "hanging", "import time; time.sleep(600)", version="4.2")
    install(site, "sound", backend_source("sound"), version="1.7")
    done = subprocess.run(
        [sys.executable, "-m", "activecore", "backends", "--time-limit", "2"],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"hanging +failed +fake-hanging 4.2, cannot be used", done.stdout)
    assert re.search(r"sound +backend +fake-sound 1.7, contract 1.0", done.stdout)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "activecore",
            "backends",
            "--check",
            "--json",
            "--time-limit",
            "2",
        ],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    names = [row["name"] for row in json.loads(done.stdout)]
    assert names == sorted(names)
    assert "sound" in names
