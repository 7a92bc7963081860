"""``docs/sabotages.md``: what is wrong with each sabotaged backend, and what it is told.

Usage: ``python tests/sabotage_page.py`` writes the page again; a test compares it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "sabotages.md"

HEAD = """\
# Backends that are wrong, and what the suite tells them

The conformance suite is tested on backends that are wrong in one way each. Every row is
one of them: what it does, which check of `BackendConformance` notices, and the line of
the failure that says why (of its *diagnosis*, of what *came back*, or of the *usual*
cause). [Testing a backend](testing.md) shows a whole failure.

This page is written by `python tests/sabotage_page.py` from the failures themselves.

| the backend | fails | and is told |
|---|---|---|
"""


def words_of(name: str) -> str:
    """Read a class name as words."""
    between = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(between, " ", name).lower()


def line_with(said: list[str], words: str) -> str:
    """Give the line that holds the words, and what it goes on with."""
    text = next(text for text in said if words in text)
    return next(line for line in text.splitlines() if words in line).strip()


def page() -> str:
    """Run every sabotaged backend, and write down what it is told."""
    from fake_suite import failures_of
    from test_sabotage import SABOTAGES

    rows = []
    for backend, check, words in SABOTAGES:
        told = line_with(failures_of(backend, check), words)
        told = re.sub(r"0x[0-9a-f]+", "0x…", told).replace("|", "\\|")
        rows.append(f"| {words_of(backend.__name__)} | `{check}` | {told} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    PAGE.write_text(page(), encoding="utf-8")
