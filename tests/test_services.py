"""The servers for development: built once, started once, and ended by their number.

The real ones are built and started in tests/live/test_services.py; here a script stands
in for the tool that builds, and a few lines of Python for a server.
"""

import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from services import daemon as daemons
from services.builds import Build, provide
from services.daemon import Daemon, free_port, launch, stop
from services.errors import ServicesError
from services.state import S3, Reductionist, Services, load, save, state_file

ROOT = Path(__file__).resolve().parent.parent

# -- building --------------------------------------------------------------------------

TOOL = """#!/bin/sh
echo "built with $1" >> "{log}"
mkdir -p "$1/bin"
{then}
"""
WHOLE = 'sleep 0.2; printf "#!/bin/sh\\n" > "$1/bin/server"; chmod +x "$1/bin/server"'


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A cache, a PATH with a tool on it, and a state directory, of this test's own."""
    (tmp_path / "tools").mkdir()
    monkeypatch.setenv("SERVICES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SERVICES_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path


def tool(places, then=WHOLE):
    path = places / "tools" / "make-server"
    path.write_text(TOOL.format(log=places / "built.log", then=then))
    path.chmod(0o755)


def builds(places):
    log = places / "built.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


SERVER = Build(
    name="server",
    version="1.0",
    tool="make-server",
    install="https://example.invalid",
    arguments=("{root}",),
    environment={},
    takes="no time",
)


def test_a_server_is_built_once(places):
    tool(places)
    said = []
    first = provide(SERVER, said.append)
    second = provide(SERVER, said.append)
    assert (first.built, second.built, builds(places)) == (True, False, 1)
    assert first.path == second.path == places / "cache/server-1.0/bin/server"
    assert os.access(first.path, os.X_OK)
    assert said[0].startswith("building server 1.0")


def test_a_long_build_shows_that_it_goes_on(places, monkeypatch):
    tool(places, f"echo compiling; {WHOLE}")
    monkeypatch.setattr("services.builds._PATIENCE", 0.05)
    said = []
    provide(SERVER, said.append)
    assert "still building server: compiling" in said


def test_two_that_want_a_server_at_once_build_it_once(places):
    tool(places)
    with ThreadPoolExecutor(4) as pool:
        programs = list(pool.map(lambda _: provide(SERVER, str), range(4)))
    assert sorted(one.built for one in programs) == [False, False, False, True]
    assert builds(places) == 1


def test_a_build_that_was_cut_short_is_not_taken_for_whole(places):
    tool(places, 'printf x > "$1/bin/server"; touch "$1/half"; kill -9 $$')
    with pytest.raises(ServicesError, match="could not be built"):
        provide(SERVER, str)
    assert not (places / "cache/server-1.0").exists()
    tool(places)
    assert provide(SERVER, str).built
    assert not (places / "cache/server-1.0.unfinished").exists()
    assert not (places / "cache/server-1.0/half").exists()


def test_a_build_that_fails_shows_the_end_of_its_log(places):
    tool(places, 'echo "no such crate" >&2; exit 7')
    with pytest.raises(ServicesError, match=r"(?s)status 7.*no such crate"):
        provide(SERVER, str)


def test_a_build_that_makes_no_program_has_failed(places):
    tool(places, "true")
    with pytest.raises(ServicesError, match="could not be built"):
        provide(SERVER, str)


def test_a_tool_that_is_missing_is_named(places):
    with pytest.raises(ServicesError, match=r"make-server, which is .* https://ex"):
        provide(SERVER, str)


# -- starting and ending ---------------------------------------------------------------


def start(tmp_path, program, answers=lambda: True, **environment):
    return launch(
        [sys.executable, "-c", program],
        environment=environment,
        log=tmp_path / "server.log",
        answers=answers,
    )


def test_a_server_outlives_who_starts_it_and_ends_when_told(tmp_path):
    mark = tmp_path / "mark"
    program = f"import time; open({str(mark)!r}, 'w').close(); time.sleep(100)"
    server = start(tmp_path, program, mark.exists)
    process = server.process()
    assert process.is_running()
    assert os.getsid(server.pid) == server.pid  # Ctrl-C in this terminal is not for it
    assert stop(server)
    assert server.process() is None
    assert not stop(server)


def test_a_server_that_does_not_heed_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(daemons, "STOP_LIMIT", 0.3)
    mark = tmp_path / "mark"
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(mark)!r}, 'w').close(); time.sleep(100)"
    )
    server = start(tmp_path, program, mark.exists)
    assert stop(server)
    assert server.process() is None


def test_a_later_process_of_the_same_number_is_left_alone():
    me = psutil.Process()
    program = str(Path(me.exe()))
    assert Daemon(me.pid, me.create_time(), program).process() is not None
    assert not stop(Daemon(me.pid, me.create_time() - 100, program))
    assert not stop(Daemon(me.pid, me.create_time(), "/usr/bin/other"))


def test_a_server_that_ends_at_once_is_an_error_with_the_end_of_its_log(tmp_path):
    with pytest.raises(ServicesError, match=r"(?s)ended at once \(status 3\).*no luck"):
        start(
            tmp_path, "import sys; print('no luck'); sys.exit(3)", lambda: time.sleep(1)
        )


def test_a_server_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(daemons, "START_LIMIT", 0.5)
    others = set(psutil.Process().children())
    begun = []

    def answers():
        begun.extend(set(psutil.Process().children()) - others)
        return False  # as often as it is asked

    with pytest.raises(ServicesError, match="does not answer in 0 s"):
        start(tmp_path, "import time; time.sleep(100)", answers)
    assert not begun[0].is_running()


def test_the_environment_of_a_server_is_added_to_ours(tmp_path):
    log = tmp_path / "server.log"
    program = "import os, time; print(os.environ['MARK'], flush=True); time.sleep(100)"
    server = start(tmp_path, program, lambda: "abc" in log.read_text(), MARK="abc")
    assert stop(server)


def test_a_free_port_is_one_that_nobody_has():
    assert len({free_port() for _ in range(5)}) > 1


# -- the state -------------------------------------------------------------------------


def running(pid=None):
    me = psutil.Process(pid)
    return Services(
        s3=S3("http://127.0.0.1:1", "AKX", "SECRET", "us-east-1", ("one", "two")),
        reductionist=Reductionist("http://127.0.0.1:2"),
        daemons={"versitygw": Daemon(me.pid, me.create_time(), me.exe())},
    )


def test_the_state_is_kept_for_its_owner_alone(places):
    save(running())
    assert stat.S_IMODE(state_file().stat().st_mode) == 0o600
    assert load() == running()
    document = json.loads(state_file().read_text())
    assert document["s3"]["buckets"] == ["one", "two"]
    assert document["reductionist"] == {"url": "http://127.0.0.1:2"}


def test_the_secret_is_not_shown():
    assert "SECRET" not in repr(running())


def test_what_does_not_run_is_an_error_that_says_how_to_start_it(places):
    with pytest.raises(ServicesError, match="run make services first"):
        load()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        save(running(process.pid))
        load()
    with pytest.raises(ServicesError, match="run make services again"):
        load()


def command(places, verb):
    done = subprocess.run(
        [sys.executable, "-m", "services", verb],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_says_in_one_line_what_is_wrong(places):
    status, out, err = command(places, "status")
    assert (status, out) == (1, "")
    assert err == "services: the servers do not run: run make services first\n"


def test_stopping_what_does_not_run_is_no_error(places):
    assert command(places, "stop") == (0, "services: nothing runs\n", "")
