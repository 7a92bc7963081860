"""What users write after ``--select`` and ``--over``. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from activecore.errors import SelectionError, did_you_mean

__all__ = ["Key", "parse_over", "parse_pairs", "parse_selection"]

Key = int | slice | list[int]
"""What is selected along one dimension."""

_INTEGER = re.compile(r"[+-]?\d+")


def parse_pairs(texts: Iterable[str], option: str, example: str) -> dict[str, str]:
    """Take ``name=value`` apart, for an option that may be given several times.

    Raises
    ------
    SelectionError
        There is no ``=``, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise SelectionError(f"{option} {text}: write it as {example}")
        if name in pairs:
            raise SelectionError(f"{option} names {name!r} twice")
        pairs[name] = value
    return pairs


def parse_selection(texts: Iterable[str], dims: Sequence[str]) -> dict[str, Key]:
    """Read selections as NumPy's indexes, by dimension.

    ``time=3`` is one element (and the dimension is gone), ``time=0:12`` and
    ``lat=::-2`` are slices, ``lev=0,5,-1`` a list. Negative numbers count from the end.

    Parameters
    ----------
    texts
        One for each dimension that is selected from.
    dims
        The dimensions that there are.

    Raises
    ------
    SelectionError
        A text means nothing, or there is no such dimension.
    """
    found: dict[str, Key] = {}
    for name, text in parse_pairs(
        texts, "--select", "NAME=0:12, =3, =::2 or =0,5"
    ).items():
        if name not in dims:
            known = ", ".join(dims) or "none"
            hint = did_you_mean(name, dims) or f" (dimensions: {known})"
            raise SelectionError(f"--select: there is no dimension {name!r}{hint}")
        found[name] = _key(text, f"--select {name}={text}")
    return found


def _key(text: str, where: str) -> Key:
    if ":" in text:
        parts = [part.strip() for part in text.split(":")]
        if len(parts) > 3:  # noqa: PLR2004 - start, stop, step
            raise SelectionError(f"{where}: a slice is START:STOP or START:STOP:STEP")
        numbers = [None if part == "" else _integer(part, where) for part in parts]
        if numbers[2:] == [0]:
            raise SelectionError(f"{where}: a slice's step cannot be zero")
        return slice(*numbers)
    if "," in text:
        items = [part.strip() for part in text.split(",")]
        return [_integer(item, where) for item in items if item != ""]
    return _integer(text, where)


def _integer(text: str, where: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise SelectionError(
            f"{where}: {text!r} is no position; write 3, 0:12, ::2 or 0,5,-1 "
            "(positions, not coordinates)"
        )
    return int(text)


def parse_over(
    texts: Sequence[str], dims: Sequence[str]
) -> tuple[str | int, ...] | None:
    """Read the dimensions to reduce: names, numbers, or ``none``; None: all of them.

    Raises
    ------
    SelectionError
        An item is empty, or there is no such dimension.
    """
    found: list[str | int] = []
    if list(texts) == ["none"] and "none" not in dims:
        return ()
    for text in texts:
        for part in text.split(","):
            item = part.strip()
            if item == "":
                raise SelectionError(f"--over {text}: write it as lat,lon, or none")
            is_number = item not in dims and _INTEGER.fullmatch(item) is not None
            found.append(int(item) if is_number else item)
    return tuple(found) if found else None
