"""Random files and random questions against the oracles. ``make fuzz``.

``make fuzz ARGS="--cases 10000 --seed 7"``: the same seed asks the same questions. The
first failing case is shrunk and printed as a few lines of Python.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from agreement import check
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from random_files import files, questions


def python_of(case, question):
    """A few lines that ask the failing question again."""
    return "\n".join(
        [
            "from numpy import *  # array, float64, nan, …",
            "from agreement import FileCase, Question, check, np",
            f"case = {case!r}",
            f"question = {question!r}",
            "check(case, question)",
        ]
    )


def main():
    """Run; exit status 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    chosen = secrets.randbelow(10**6) if options.seed is None else options.seed
    sys.stdout.write(f"fuzz: {options.cases} cases, seed {chosen}\n")
    failing = {}
    asked = 0

    @seed(chosen)
    @settings(
        max_examples=options.cases,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.data())
    def ask(data):
        nonlocal asked
        case = data.draw(files())
        question = data.draw(questions(case.shape))
        asked += 1
        if asked % 500 == 0:
            sys.stdout.write(f"fuzz: {asked} cases, {time.monotonic() - start:.0f} s\n")
            sys.stdout.flush()
        try:
            check(case, question)
        except Exception:
            failing["case"], failing["question"] = case, question
            failing["error"] = traceback.format_exc()
            raise

    logging.disable(logging.WARNING)  # rules that cannot apply are drawn on purpose
    start = time.monotonic()
    np.set_printoptions(threshold=100)
    try:
        ask()
    except Exception:  # noqa: BLE001 - whatever it is, it is reported below
        lines = failing["error"].strip().splitlines()
        sys.stdout.write(
            "\n".join(lines[-25:])
            + "\n\nfuzz: differs; to see it again, in tests/:\n\n"
        )
        sys.stdout.write(python_of(failing["case"], failing["question"]) + "\n")
        return 1
    sys.stdout.write(
        f"fuzz: {asked} cases in {time.monotonic() - start:.0f} s, no differences\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
