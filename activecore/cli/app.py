"""The commands: each parses, delegates and prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from activecore.cli.arguments import (
    TIME_LIMIT,
    Backend,
    By,
    Components,
    Config,
    Ddof,
    Dtype,
    Json,
    KeepDims,
    Out,
    Over,
    Plot,
    Profile,
    Reader,
    ReductionName,
    Resample,
    Select,
    SkipNa,
    Threads,
    TimeLimit,
    Url,
    Variable,
    Verbose,
    Weights,
)
from activecore.cli.failures import UNHEALTHY
from activecore.urls import public_url

if TYPE_CHECKING:
    from activecore.config import Settings

__all__ = ["COMMANDS", "app"]

COMMANDS = ("info", "reduce", "explain", "backends", "config", "new-backend")
"""What users may ask for."""

app = typer.Typer(
    name="activecore",
    help="Reduce climate and earth-science arrays where they lie.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"activecore {version('activecore')}")
        raise typer.Exit


@app.callback()
def common(
    ctx: typer.Context,
    verbose: Verbose = 0,
    config: Config = None,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that may stand before any command."""
    ctx.meta["config"] = config
    _be_verbose(ctx, verbose)


def _be_verbose(ctx: typer.Context, verbose: int) -> None:
    from activecore.cli.terminal import set_up_logging

    ctx.meta["verbose"] = verbose + ctx.meta.get("verbose", 0)
    set_up_logging(ctx.meta["verbose"])


def _settings(ctx: typer.Context, config: Path | None) -> Settings:
    from activecore.config import load_settings

    return load_settings(ctx.meta.get("config") if config is None else config)


@app.command()
def info(
    ctx: typer.Context,
    url: Url,
    variable: Annotated[
        str | None,
        typer.Argument(metavar="[VARIABLE]", help="One variable, in detail."),
    ] = None,
    backend: Backend = None,
    profile: Profile = None,
    reader: Reader = None,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Show what a file or store holds, or how one variable is stored."""
    _be_verbose(ctx, verbose)
    settings = _settings(ctx, config)
    from activecore.api import open as open_dataset
    from activecore.cli import listing, stored, terminal

    with open_dataset(
        url, backend=backend, profile=profile, reader=reader, settings=settings
    ) as dataset:
        source = public_url(url)
        if variable is not None:
            array = dataset[variable]
            if as_json:
                terminal.print_json(stored.variable_document(array))
            else:
                terminal.show(*listing.variable_on_terminal(array))
        elif as_json:
            terminal.print_json(listing.dataset_document(dataset, source))
        else:
            terminal.show(*listing.dataset_on_terminal(dataset, source))


@app.command()
def reduce(
    ctx: typer.Context,
    url: Url,
    variable: Variable,
    reduction: ReductionName,
    over: Over = None,
    select: Select = None,
    by: By = None,
    resample: Resample = None,
    weights: Weights = None,
    skipna: SkipNa = False,
    ddof: Ddof = 0,
    dtype: Dtype = None,
    keepdims: KeepDims = False,
    components: Components = False,
    out: Out = None,
    plot: Plot = None,
    backend: Backend = None,
    profile: Profile = None,
    reader: Reader = None,
    threads: Threads = None,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Reduce a variable, and show, write or draw the result."""
    _be_verbose(ctx, verbose)
    settings = _settings(ctx, config)
    from activecore.api import open as open_dataset
    from activecore.cli import answers, reducing, terminal, writing

    asked = reducing.Asked(
        variable=variable,
        reduction=reduction,
        over=over or (),
        select=select or (),
        weights=weights or (),
        keepdims=keepdims,
        components=components,
        skipna=skipna,
        ddof=ddof,
        dtype=dtype,
        by=by,
        resample=resample,
    )
    writing.check_early(url, out=out, plot=plot, components=components)
    with open_dataset(
        url,
        backend=backend,
        profile=profile,
        reader=reader,
        threads=threads,
        settings=settings,
    ) as dataset:
        prepared = reducing.prepare(dataset, asked)
        writing.check_shape(plot, tuple(prepared.left.values()))
        what = f"{reduction} of {variable}"
        with terminal.progress_of(what, wanted=not as_json) as progress:
            answer = prepared.answer(
                source=public_url(url),
                history=reducing.history_line(ctx.obj),
                every=as_json or out is not None or plot is not None,
                progress=progress,
            )
    written = writing.write_all(answer, out=out, plot=plot)
    if as_json:
        from activecore.output.document import as_document

        terminal.print_json(as_document(answer))
    else:
        terminal.show(*answers.answer_on_terminal(answer, written))


@app.command()
def explain(
    ctx: typer.Context,
    url: Url,
    variable: Variable,
    reduction: ReductionName = "mean",
    over: Over = None,
    select: Select = None,
    by: By = None,
    resample: Resample = None,
    weights: Weights = None,
    backend: Backend = None,
    profile: Profile = None,
    reader: Reader = None,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Say who would answer a reduction, why not the others, and what it costs."""
    _be_verbose(ctx, verbose)
    settings = _settings(ctx, config)
    from activecore.api import open as open_dataset
    from activecore.cli import reducing, terminal

    asked = reducing.Asked(
        variable=variable,
        reduction=reduction,
        over=over or (),
        select=select or (),
        weights=weights or (),
        by=by,
        resample=resample,
    )
    with open_dataset(
        url, backend=backend, profile=profile, reader=reader, settings=settings
    ) as dataset:
        prepared = reducing.prepare(dataset, asked)
        found = prepared.target.explain(
            reduction, prepared.dims, weights=prepared.numbers or None
        )
    if as_json:
        terminal.print_json(found.as_dict())
    else:
        terminal.show(str(found))


@app.command()
def backends(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each one whether it works.")
    ] = False,
    time_limit: TimeLimit = TIME_LIMIT,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """List what is installed: backends and readers, and what each can do."""
    _be_verbose(ctx, verbose)
    _settings(ctx, config)  # what is wrong in it is said here, not plugin by plugin
    from activecore.cli import examine, plugins, terminal

    named = ctx.meta.get("config") if config is None else config
    rows = examine.examine_plugins(check=check, config=named, limit=time_limit)
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.show(*plugins.plugins_on_terminal(rows))
    if check and any(row["problem"] is not None for row in rows):
        raise typer.Exit(UNHEALTHY)


@app.command()
def config(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="What holds for this URL."),
    ] = None,
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Show the configuration, and where each value came from; secrets are masked."""
    _be_verbose(ctx, verbose)
    settings = _settings(ctx, config)
    from activecore.cli import plugins, terminal
    from activecore.config.view import describe

    rows = describe(settings, url, profile=profile)
    if as_json:
        document: list[dict[str, Any]] = [
            {"key": r.key, "value": r.value, "from": r.origin, "note": r.note}
            for r in rows
        ]
        terminal.print_json(document)
    else:
        terminal.show(*plugins.config_on_terminal(rows))


@app.command("new-backend")
def new_backend(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As users will write it: mystore.")
    ],
    reader: Annotated[
        bool, typer.Option("--reader", help="A reader of a format, not a backend.")
    ] = False,
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where its folder goes.")
    ] = Path(),
    verbose: Verbose = 0,
) -> None:
    """Write a new distribution of your own: a backend, or a reader, with its tests."""
    _be_verbose(ctx, verbose)
    from activecore.cli import terminal
    from activecore.scaffold import check_name, write_distribution

    folder = write_distribution(check_name(name), directory, reader=reader)
    terminal.show(
        f"{folder}: it works as it is; look for FILL IN",
        f"next: cd {folder} && pip install -e . --group dev && pytest",
    )
