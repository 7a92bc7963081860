"""Build a server once, and keep it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.errors import ServicesError
from services.places import cache, exclusively, tail

__all__ = ["REDUCTIONIST", "VERSITYGW", "Build", "Program", "provide"]

_TOOLS = ("/usr/local/go/bin", "~/go/bin", "~/.cargo/bin")
"""Where installers of Go and Rust put them; a PATH may lack these."""
_PATIENCE = 60.0
"""Seconds of silence during a build."""


@dataclass(frozen=True)
class Build:
    """How a server is built from its published source."""

    name: str
    """Also the name of the program."""
    version: str
    tool: str
    """The program that builds it."""
    install: str
    """Where that comes from, for those who lack it."""
    arguments: tuple[str, ...]
    """Of the tool; ``{root}`` stands for the directory to build into."""
    environment: Mapping[str, str]
    takes: str
    """How long it takes, in words."""


@dataclass(frozen=True)
class Program:
    """A server that can be started."""

    path: Path
    built: bool
    """Whether it was built just now, not found."""


VERSITYGW = Build(
    name="versitygw",
    version="1.8.0",
    tool="go",
    install="https://go.dev/dl",
    arguments=("install", "github.com/versity/versitygw/cmd/versitygw@v1.8.0"),
    environment={"GOBIN": "{root}/bin"},
    takes="about three minutes",
)

REDUCTIONIST = Build(
    name="reductionist",
    version="0.13.1",
    tool="cargo",
    install="https://rustup.rs",
    arguments=(
        *("install", "reductionist", "--version", "0.13.1", "--locked"),
        *("--root", "{root}"),
    ),
    environment={"CARGO_TARGET_DIR": "{root}/target"},
    takes="about ten minutes",
)


def provide(build: Build, say: Callable[[str], None]) -> Program:
    """Give the server's program, building it if it is not there.

    It is built aside and moved into its place when it is whole, so that a build that
    was cut short is not taken for one. Of several processes one builds, and the others
    wait for it.

    Parameters
    ----------
    say
        Told what is being done, a line at a time.

    Raises
    ------
    ServicesError
        If a tool is missing, or the build fails.
    """
    home = cache() / f"{build.name}-{build.version}"
    program = home / "bin" / build.name
    with exclusively(home.with_name(f"{home.name}.lock")):
        if program.is_file():
            return Program(program, built=False)
        if home.exists():
            raise ServicesError(f"{home} holds no bin/{build.name}; remove it")
        _build(build, home, say)
    return Program(program, built=True)


def _build(build: Build, home: Path, say: Callable[[str], None]) -> None:
    tool = _find(build)
    aside = home.with_name(f"{home.name}.unfinished")
    log = home.with_name(f"{home.name}.log")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    say(f"building {build.name} {build.version} with {tool} ({build.takes}; {log})")
    begin = time.monotonic()
    filled = {key: value.format(root=aside) for key, value in build.environment.items()}
    with (
        log.open("w") as output,
        subprocess.Popen(
            [tool, *(word.format(root=aside) for word in build.arguments)],
            env=os.environ | {"PATH": _path()} | filled,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        while process.poll() is None:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                say(f"still building {build.name}: {tail(log, 1).strip()}")
        status = process.returncode
    if status != 0 or not (aside / "bin" / build.name).is_file():
        raise ServicesError(
            f"{build.name} could not be built (status {status}); the end of {log}:\n"
            f"{tail(log)}"
        )
    shutil.rmtree(aside / "target", ignore_errors=True)  # a gigabyte of object files
    aside.rename(home)
    say(f"built {build.name} in {time.monotonic() - begin:.0f} s")


def _path() -> str:
    more = (str(Path(place).expanduser()) for place in _TOOLS)
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *more])


def _find(build: Build) -> str:
    tool = shutil.which(build.tool, path=_path())
    if tool is None:
        raise ServicesError(
            f"{build.name} is built with {build.tool}, which is not installed here: "
            f"see {build.install}"
        )
    return tool
