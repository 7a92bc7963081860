"""``python -m activecore.testing NAME``: the report card of a backend."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from activecore.cli.arguments import Config, Json, Profile
from activecore.errors import ConfigError
from activecore.output.clean import clean

if TYPE_CHECKING:
    from activecore.testing.rig import Rig

__all__ = ["main"]

NOT_KEPT = 1
"""Exit status where an obligation is not kept."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and give its exit status."""
    from activecore.cli.running import run_app

    words = sys.argv[1:] if arguments is None else list(arguments)
    return run_app(app, words, "python -m activecore.testing", ())


@app.command()
def card(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The backend, as it is installed.")
    ],
    scratch: Annotated[
        str | None,
        typer.Option(
            "--scratch",
            metavar="URL",
            help="A folder or prefix to put test chunks into, by the backend's own "
            "filesystem; where no rig is installed. They stay there.",
        ),
    ] = None,
    rig: Annotated[
        str | None,
        typer.Option(
            "--rig",
            metavar="MODULE:CLASS",
            help="What puts test chunks into the store; without it, the one that is "
            "installed for this backend.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="An option of the backend's own."
        ),
    ] = None,
    profile: Profile = None,
    config: Config = None,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit", min=0.1, metavar="SECONDS", help="Patience with each case."
        ),
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Prove an installed backend right, and print its report card."""
    from activecore.cli import terminal
    from activecore.cli.card_view import card_on_terminal
    from activecore.entry_points import find
    from activecore.testing.card import report_card

    options = dict(_option(text) for text in option or ())
    with tempfile.TemporaryDirectory(prefix="activecore-testing-") as folder:
        make = _rig_maker(
            name, rig, scratch, Path(folder),
            config=config, profile=profile, options=options,
        )  # fmt: skip
        with _progress(wanted=not as_json) as notice:
            found = report_card(make, limit=time_limit, notice=notice)
    plugin = find(name)
    found = replace(found, distribution=plugin.distribution, version=plugin.version)
    if as_json:
        terminal.print_json(_finite(found.as_dict()))
    else:
        terminal.show(*card_on_terminal(found))
    if not found.passed:
        raise typer.Exit(NOT_KEPT)


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--option {text!r}: write KEY=VALUE")
    return key, value


def _rig_maker(
    name: str,
    rig: str | None,
    scratch: str | None,
    folder: Path,
    *,
    config: Path | None,
    profile: str | None,
    options: dict[str, Any],
) -> Callable[[], Rig]:
    """Choose what puts chunks into the store of a backend.

    Raises
    ------
    ConfigError
        Nothing is known to do so.
    """
    from activecore.config import load_settings
    from activecore.discovery import backend_class
    from activecore.entry_points import rig_of, schemes_of
    from activecore.testing.filesystem_rig import FilesystemRig

    settings = load_settings(config)
    backend_class(name)  # an unknown name, or a broken plugin, is said before all else
    if rig is not None:
        kind = _named(rig)
        return lambda: kind(folder)
    installed = rig_of(name)
    if scratch is None and installed is not None:
        kind = _checked(installed.load(), installed.value)
        return lambda: kind(folder)
    if scratch is None and "file" in schemes_of(name):
        scratch = folder.as_uri()
    if scratch is None:
        raise ConfigError(
            f"backend {name!r} brings no rig (entry-point group activecore.testing): "
            "name a place that its filesystem can write to with --scratch, or a rig "
            "with --rig"
        )
    place = scratch
    return lambda: FilesystemRig(
        folder,
        name=name,
        scratch=place,
        settings=settings,
        profile=profile,
        options=options,
    )


def _named(text: str) -> type[Rig]:
    module, _, attribute = text.partition(":")
    # As Python would find it from here, which is where an author works.
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"--rig {text}: {error}") from error
    return _checked(found, text)


def _checked(found: object, text: str) -> type[Rig]:
    from activecore.testing.rig import Rig

    if not (isinstance(found, type) and issubclass(found, Rig)):
        raise ConfigError(f"the rig {text} is not a class derived from Rig")
    return found


@contextmanager
def _progress(*, wanted: bool) -> Iterator[Callable[[str, int, int], object] | None]:
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def notice(words: str, number: int, total: int) -> None:
            short = clean(words.partition(":")[0])
            bar.update(task, description=short, completed=number, total=total)

        yield notice


def _finite(value: Any) -> Any:
    """Write what JSON has no number for as text."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return "inf" if value == float("inf") else value
