"""What the site adds to its pages while it is built: the list of decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LIST = "<!-- the decisions, newest last -->"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put the titles of all decisions where the index asks for them."""
    if page.file.src_uri != "decisions/index.md":
        return markdown
    folder = Path(page.file.abs_src_path).parent
    rows = []
    for path in sorted(folder.glob("[0-9]*.md")):
        number, _, title = path.read_text().splitlines()[0].lstrip("# ").partition(". ")
        rows.append(f"- [{number} · {title}]({path.name})")
    return markdown.replace(LIST, "\n".join(rows))
