"""The arguments and options that commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "TIME_LIMIT",
    "Backend",
    "By",
    "Components",
    "Config",
    "Ddof",
    "Dtype",
    "Json",
    "KeepDims",
    "Out",
    "Over",
    "Plot",
    "Profile",
    "Reader",
    "ReductionName",
    "Resample",
    "Select",
    "SkipNa",
    "Threads",
    "TimeLimit",
    "Url",
    "Variable",
    "Verbose",
    "Weights",
]

_WHERE = "Where and how"
_REDUCTIONS = "count, sum, mean, min, max, var, std, ptp, any or all."

Url = Annotated[str, typer.Argument(metavar="URL", help="A path or a URL.")]
Variable = Annotated[
    str, typer.Argument(metavar="VARIABLE", help="Its name: tas, or group/tas.")
]

Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="DIM,…",
        help="Dimensions to reduce, by name or number, or none; all if not given.",
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="DIM=INDEX",
        help="Positions along a dimension, as NumPy counts them: time=0:12, lat=::2, "
        "lev=3, lev=0,5,-1. Once for each dimension.",
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="DIM.PART",
        help="One answer for each time.month, .season, .dayofyear, .hour or .year, or "
        "for each value of a 1-D variable.",
    ),
]
Resample = Annotated[
    str | None,
    typer.Option(
        "--resample",
        metavar="PERIOD",
        help="One answer for each period: YS, QS, QS-DEC, MS, 5D, 6h; or time=YS.",
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="DIM=WEIGHTS",
        help="For mean and sum: lat=cos, a 1-D variable, or a text file of numbers.",
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME,…",
        help="Where chunks are reduced; several in order of preference.",
        rich_help_panel=_WHERE,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="A profile of the configuration.",
        rich_help_panel=_WHERE,
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(
        "--reader",
        metavar="NAME",
        help="The reader, if the content does not say.",
        rich_help_panel=_WHERE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Batches at work at once.", rich_help_panel=_WHERE
    ),
]
TIME_LIMIT = 20.0
"""Seconds that importing a plugin may take, and as many that its check may take."""

TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit",
        min=0.1,
        metavar="SECONDS",
        help="Patience with each of them, to be imported and to be checked.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A configuration file, before the user's and the site's.",
        rich_help_panel=_WHERE,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Say what is done; twice for every detail.",
        show_default=False,
    ),
]
ReductionName = Annotated[str, typer.Argument(metavar="REDUCTION", help=_REDUCTIONS)]
SkipNa = Annotated[bool, typer.Option("--skipna", help="Count NaN as missing.")]
Ddof = Annotated[
    float,
    typer.Option("--ddof", help="For var and std: divide by n - ddof."),
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", metavar="NAME", help="Type of the result: float32."),
]
KeepDims = Annotated[
    bool,
    typer.Option("--keepdims", help="Keep reduced dimensions, of length one."),
]
Components = Annotated[
    bool,
    typer.Option("--components", help="The parts of the result: of a mean, sum and n."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the result: .nc, .csv or .json."),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the result: .png, .pdf or .svg."),
]
