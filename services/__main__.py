"""``python -m services start|stop|status``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from services.builds import REDUCTIONIST, VERSITYGW, Build, Program, provide
from services.daemon import Daemon, stop
from services.errors import ServicesError
from services.places import exclusively, state_directory
from services.servers import start_reductionist, start_versitygw
from services.state import Services, load, recorded, save, state_file


def say(text: str) -> None:
    """Print one line, at once."""
    print(f"services: {text}", flush=True)


def start() -> None:
    """Build what is missing and start both servers, unless they run."""
    programs = {build.name: _provide(build) for build in (VERSITYGW, REDUCTIONIST)}
    with _alone():
        running = recorded()
        if running is not None and running.running():
            say("both run already")
            _show(running)
            return
        if running is not None:
            say("a server has ended; starting both again")
            _end(running)
        _show(_start(programs))


def _provide(build: Build) -> Program:
    program = provide(build, say)
    if not program.built:
        say(f"reusing {build.name} {build.version} ({program.path})")
    return program


def _start(programs: dict[str, Program]) -> Services:
    state = state_directory()
    daemons: dict[str, Daemon] = {}
    try:
        s3, daemons["versitygw"] = start_versitygw(programs["versitygw"], state)
        reductionist, daemons["reductionist"] = start_reductionist(
            programs["reductionist"], state
        )
        services = Services(s3, reductionist, daemons)
        save(services)
    except BaseException:
        for daemon in daemons.values():
            stop(daemon)
        raise
    return services


def stop_all() -> None:
    """End what was started, and remove what it stored."""
    with _alone():
        running = recorded()
        if running is None:
            say("nothing runs")
            return
        _end(running)


def _end(services: Services) -> None:
    for name, daemon in services.daemons.items():
        ended = stop(daemon)
        say(f"{name} {'stopped' if ended else 'had ended already'} ({daemon.pid})")
    state_file().unlink()
    for data in ("s3", "s3-metadata"):
        shutil.rmtree(state_directory() / data, ignore_errors=True)


def status() -> None:
    """Say what runs and where."""
    _show(load())


def _show(services: Services) -> None:
    daemons = services.daemons
    say(f"versitygw listens on {services.s3.endpoint_url} ({daemons['versitygw'].pid})")
    say(
        f"reductionist listens on {services.reductionist.url} "
        f"({daemons['reductionist'].pid})"
    )
    say(f"buckets {', '.join(services.s3.buckets)}; key and secret in {state_file()}")


def _alone() -> AbstractContextManager[None]:
    state_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    return exclusively(state_directory() / "lock")


VERBS: dict[str, Callable[[], None]] = {
    "start": start,
    "stop": stop_all,
    "status": status,
}


def main() -> None:
    """Do as told; exit with a line and status 1 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    parser.add_argument("verb", choices=list(VERBS))
    verb = parser.parse_args().verb
    try:
        VERBS[verb]()
    except ServicesError as error:
        sys.exit(f"services: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
