"""What the site adds while it is built: pages from elsewhere in the project, and lists.

Decisions and what was measured get their places in the navigation here, so that a new
one needs no line in ``mkdocs.yml``.
"""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PLUGINS = ("posix", "s3numpy")
"""Plugins whose page in the site is their README; reductionist has a longer one."""


def on_config(config: Any) -> Any:
    """Give every decision and every measurement a place in the navigation."""
    decisions = [f"decisions/{path.name}" for path in _decision_pages()]
    measured = [f"measured/{path.name}" for path in _measured_pages()]
    more = {"Decisions": decisions, "Benchmarks": measured}
    for section in config.nav:
        for title, pages in section.items():
            if title in more:
                pages.extend(more[title])
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Take pages and pictures from outside ``docs`` into the site."""
    # A page must not be called as the folder's own page is.
    taken = {f"measured/{path.name}": path for path in _measured_pages()}
    taken |= {f"measured/{path.name}": path for path in RESULTS.glob("*.png")}
    taken |= {
        f"backends/{name}.md": ROOT / "plugins" / name / "README.md" for name in PLUGINS
    }
    for name, path in sorted(taken.items()):
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put lists where a page asks for them, and measured tables into a box."""
    if page.file.src_uri.startswith("measured/"):
        title, _, rest = markdown.partition("\n")
        return f'{title}\n\n<div class="measured" markdown>\n{rest}\n</div>'
    for place, make in LISTS.items():
        if place in markdown:
            markdown = markdown.replace(place, make())
    return markdown


def _decision_pages() -> list[Path]:
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def _measured_pages() -> list[Path]:
    return sorted(RESULTS.glob("*.md"))


def _title(path: Path) -> str:
    return path.read_text().splitlines()[0].removeprefix("# ")


def _decisions() -> str:
    rows = []
    for path in _decision_pages():
        number, _, title = _title(path).partition(". ")
        rows.append(f"- [{number} · {title}]({path.name})")
    return "\n".join(rows)


def _measured() -> str:
    pages = _measured_pages()
    if not pages:
        return "Nothing has been measured in this checkout: run `make bench`."
    rows = [f"- [{_title(path)}](measured/{path.name})" for path in pages]
    return "\n".join(rows)


def _picture(name: str, said: str) -> str:
    if not (RESULTS / name).exists():
        return "Nothing was measured in this checkout."
    return f"![{said}](measured/{name})"


def _others() -> str:
    """Make tables of what others took for each question, in times of what we took."""
    parts = []
    for page in _measured_pages():
        cases = json.loads(page.with_suffix(".json").read_text())["cases"]
        rows = [row for case in cases for row in _compared(case)]
        if rows:
            head = f"| [{_title(page)}](measured/{page.name}) | we took | others took |"
            parts += ["\n".join([head, "|---|---|---|", *rows])]
    return "\n\n".join(parts)


def _compared(case: dict[str, Any]) -> list[str]:
    """Make the row of a question, if somebody else was asked it too."""
    ours, *others = (
        (name, one["wall"])
        for name, one in case["contenders"].items()
        if one["error"] is None and name not in case["floors"]
    )
    ratios = {
        # As in the benchmarks' own tables: the median of the ratios of each round.
        name: statistics.median(b / a for a, b in zip(ours[1], wall, strict=True))
        for name, wall in others
        if not name.startswith("activecore")
    }
    said = [
        f"**{name}: {ratio:.2g}**" if ratio < 1 else f"{name}: {ratio:.2g}"
        for name, ratio in ratios.items()
    ]
    took = statistics.median(ours[1])
    shown = f"{took:.2g} s" if took >= 1 else f"{1000 * took:.0f} ms"
    return [f"| {case['case']} | {shown} | {'<br>'.join(said)} |"] if said else []


LISTS = {
    "<!-- the decisions, newest last -->": _decisions,
    "<!-- what was measured -->": _measured,
    "<!-- where the time goes -->": partial(
        _picture,
        "stages.png",
        "What each stage takes, for compressed, uncompressed and tiny chunks",
    ),
    "<!-- how it grows -->": partial(
        _picture,
        "scaling_workers.png",
        "Times as fast as one worker, for 1, 2 and 4 workers",
    ),
    "<!-- how long others took -->": _others,
}
"""What is made here, by the comment that stands where it goes."""
