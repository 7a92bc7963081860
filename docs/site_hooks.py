"""What the site adds while it is built: lists of decisions, and what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
DECISIONS = "<!-- the decisions, newest last -->"
MEASURED = "<!-- what was measured -->"


def on_files(files: Files, *, config: Any, **_: Any) -> Files:
    """Take the tables and pictures of ``make bench`` into the site."""
    for path in sorted(RESULTS.glob("*.md")) + sorted(RESULTS.glob("*.png")):
        # A page must not be called as the folder's own page is.
        name = f"measured/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put titles where an index asks for them."""
    if page.file.src_uri == "decisions/index.md":
        folder = Path(page.file.abs_src_path).parent
        return markdown.replace(DECISIONS, _decisions(folder))
    if page.file.src_uri == "benchmarks.md":
        return markdown.replace(MEASURED, _measured())
    return markdown


def _decisions(folder: Path) -> str:
    rows = []
    for path in sorted(folder.glob("[0-9]*.md")):
        number, _, title = path.read_text().splitlines()[0].lstrip("# ").partition(". ")
        rows.append(f"- [{number} · {title}]({path.name})")
    return "\n".join(rows)


def _measured() -> str:
    pages = sorted(RESULTS.glob("*.md"))
    if not pages:
        return "Nothing has been measured in this checkout: run `make bench`."
    return "\n".join(
        f"- [{path.read_text().splitlines()[0].lstrip('# ')}](measured/{path.name})"
        for path in pages
    )
