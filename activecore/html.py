"""What notebooks show of arrays and datasets: plain HTML, in light and dark.

Everything that comes from a file is escaped. There are no scripts and no links, the
styles are in the fragment itself, and its colours follow those of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from activecore.model import ArrayInfo
from activecore.sizes import bytes_words
from activecore.urls import public_url

__all__ = ["array_html", "dataset_html"]

_STYLE = """
<style>
.activecore-card{color-scheme:light dark;font:13px/1.5 system-ui,sans-serif;
border:1px solid rgba(128,128,128,.4);border-radius:6px;padding:.6em .9em;
max-width:60em;overflow-x:auto;background:transparent;color:inherit}
.activecore-card header{font-weight:600;margin-bottom:.35em;overflow-wrap:anywhere}
.activecore-card header small{font-weight:400;opacity:.7;margin-left:.6em}
.activecore-card table{border-collapse:collapse;margin:.2em 0;background:transparent;
font:inherit;color:inherit}
.activecore-card td,.activecore-card th{text-align:left;vertical-align:top;
padding:.1em 1em .1em 0;border:0;background:transparent;color:inherit;
overflow-wrap:anywhere;font-weight:400}
.activecore-card th{opacity:.7}
.activecore-card th,.activecore-card td:not(:last-child){white-space:nowrap}
.activecore-card code{font:12px/1.4 ui-monospace,monospace;background:transparent;
color:inherit}
.activecore-card summary{cursor:pointer;opacity:.8}
</style>
"""

_MOST = 200
"""Characters of one attribute, and rows of one table, that are shown."""


def _text(value: object) -> str:
    words = " ".join(str(value).split())
    return escape(words if len(words) <= _MOST else f"{words[:_MOST]}…")


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Make a table of cells that are HTML already; the first one heads its row."""
    lines = [
        f"<tr><th>{head}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for head, *cells in rows
    ]
    return f"<table>{''.join(lines)}</table>"


def _attributes(attrs: Mapping[str, Any]) -> str:
    if len(attrs) == 0:
        return ""
    rows = [(_text(name), _text(value)) for name, value in list(attrs.items())[:_MOST]]
    return (
        f"<details><summary>{len(attrs)} attributes</summary>{_table(rows)}</details>"
    )


def _card(title: str, kind: str, body: str) -> str:
    head = f"<header>{_text(title)}<small>{_text(kind)}</small></header>"
    return f'{_STYLE}<div class="activecore-card">{head}{body}</div>'


def array_html(
    info: ArrayInfo,
    dims: Sequence[str],
    shape: Sequence[int],
    dtype: np.dtype[Any],
    backends: Sequence[str],
) -> str:
    """Show an array, or what is selected of one.

    Parameters
    ----------
    info
        The stored variable.
    dims, shape, dtype
        Of what is selected, unpacked.
    backends
        Names of those that would be asked.
    """
    lengths = ", ".join(f"{d}: {n}" for d, n in zip(dims, shape, strict=True))
    stored = "" if dtype == info.dtype else f", stored as {info.dtype}"
    size = bytes_words(math.prod(shape) * dtype.itemsize)
    codecs = [codec.id for layout in info.layouts[:1] for codec in layout.codecs]
    chunks = f"contiguous, worked on in pieces of {info.index.chunk_shape}"
    if info.chunks is not None:
        grid = [-(-n // c) for n, c in zip(info.shape, info.chunks, strict=True)]
        chunks = f"{info.chunks}, {math.prod(grid)} in all"
    facts = [
        ("dimensions", f"({lengths})"),
        ("dtype", f"{dtype}{stored}"),
        ("size", f"{size} in memory, nothing is read yet"),
        ("chunks", chunks),
        ("codecs", ", ".join(codecs) or "none"),
        ("backend", ", ".join(backends)),
        ("source", public_url(info.source)),
    ]
    rows = [(_text(what), f"<code>{_text(said)}</code>") for what, said in facts]
    body = _table(rows) + _attributes(info.attrs)
    return _card(info.name, "activecore.ActiveArray", body)


def dataset_html(
    url: str,
    kind: str,
    variables: Sequence[tuple[str, str, str, str]],
    attrs: Mapping[str, Any],
) -> str:
    """Show a dataset.

    Parameters
    ----------
    url, kind
        Where it is, and how it is stored.
    variables
        Name, dimensions, dtype and words of each variable.
    attrs
        Attributes of the source.
    """
    rows = [
        (
            f"<code>{_text(name)}</code>",
            f"<code>{_text(dims)}</code>",
            f"<code>{_text(dtype)}</code>",
            _text(words),
        )
        for name, dims, dtype, words in variables[:_MOST]
    ]
    more = len(variables) - len(rows)
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return _card(url, kind, _table(rows) + rest + _attributes(attrs))
