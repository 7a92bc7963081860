"""A report card as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activecore.output.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from activecore.testing.card import Card, Obligation

__all__ = ["card_on_terminal"]

_MARK = {"passed": "passed", "failed": "FAILED", "not applicable": "n/a"}
_KINDS = ("operation", "dtype", "codec", "axis order", "")
_STYLE = {"passed": "green", "failed": "bold red", "not applicable": "dim"}


def card_on_terminal(card: Card) -> Iterator[RenderableType]:
    """Give the obligations, the abilities, the numbers, then what failed and why."""
    from rich.text import Text

    contract = ".".join(map(str, card.contract))
    of = clean(f"{card.distribution} {card.version}")
    yield Text(f"backend {card.backend} of {of}, contract {contract}", style="bold")
    yield Text(f"operations: {', '.join(card.operations)}\n")
    yield _obligations(card)
    yield Text("")
    yield from _lists(card)
    for one in card.obligations:
        if one.verdict == "failed":
            yield from _findings(one)
    kept = sum(one.verdict == "passed" for one in card.obligations)
    failed = sum(one.verdict == "failed" for one in card.obligations)
    left = len(card.obligations) - kept - failed
    yield Text(
        f"\n{card.backend}: {kept} obligations kept, {failed} failed, "
        f"{left} not applicable",
        style="bold green" if card.passed else "bold red",
    )


def _obligations(card: Card) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("obligation", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("cases", no_wrap=True, justify="right")
    table.add_column("refused", no_wrap=True, justify="right")
    for one in card.obligations:
        table.add_row(
            clean(one.what.partition(":")[0]),
            Text(_MARK[one.verdict], style=_STYLE[one.verdict]),
            f"{one.passed} of {one.passed + one.failed}",
            str(one.not_offered or ""),
        )
    return table


def _lists(card: Card) -> Iterator[RenderableType]:
    from rich.text import Text

    for kind in _KINDS:
        can = [one.name.removeprefix(kind).strip() for one in card.capabilities
               if one.offered and _kind(one.name) == kind]  # fmt: skip
        if can:
            yield Text(clean(f"can: {kind or 'also'}: {', '.join(can)}"))
    for one in card.capabilities:
        if not one.offered:
            yield Text(clean(f"cannot: {one.name} ({one.reason})"), style="dim")
    if card.problem is not None:
        yield Text(clean(f"not measured: {card.problem}"), style="red")
    if card.accuracies:
        yield Text("\nagreement with exact arithmetic: the largest relative error")
        for operation in dict.fromkeys(near.operation for near in card.accuracies):
            errors = ", ".join(
                f"{near.dtype} {'exact' if near.error == 0 else f'{near.error:.0e}'}"
                for near in card.accuracies
                if near.operation == operation
            )
            yield Text(f"  {operation}: {errors}")
    if card.speeds:
        yield Text("\nspeed (and how many times that of the same bytes in memory)")
        for fast in card.speeds:
            yield Text(
                f"  {fast.operation} of {fast.chunks} chunks of {fast.chunk}: "
                f"{1e6 * fast.seconds:,.0f} µs a chunk ({fast.times_memory:.1f} times)"
            )


def _kind(name: str) -> str:
    return next(kind for kind in _KINDS if name.startswith(kind))


def _findings(one: Obligation) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(clean(f"\n{one.what}"), style="bold red")
    for text in one.findings:
        lines = text.splitlines()
        yield Text("\n".join(clean(line) for line in lines))
        yield Text("")
    more = one.failed - len(one.findings)
    if more > 0:
        yield Text(f"and {more} more like these")
