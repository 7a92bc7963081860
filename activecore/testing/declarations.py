"""Checks of what a backend says about itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

import numpy as np

from activecore.backend import BackendOptions, ByteRangeBackend, StorageBackend
from activecore.contract import CONTRACT
from activecore.model import OPERATIONS
from activecore.testing.cases import CAPABILITY_CASES, SELECT_CASES
from activecore.testing.golden import golden_case
from activecore.testing.harness import Harness, fail
from activecore.testing.watch import watch_io

__all__ = ["DeclarationChecks"]

_CASE = golden_case(
    "declarations", [np.arange(6, dtype="f8"), np.ones(6, dtype="f8")], "select"
)


class DeclarationChecks(Harness):
    """What the core relies on before it asks for anything."""

    def test_core_declares_itself(self, backend: StorageBackend) -> None:
        """Name, operations, contract, options and limits."""
        wrong = [text for text, holds in _declarations(backend) if not holds]
        if wrong:
            fail(
                asked="the class attributes",
                expected=f"{'; '.join(wrong)}",
                came_back=f"name={backend.name!r}, operations="
                f"{sorted(backend.operations)}, contract={backend.contract}",
                usually="an attribute was left out, or misspelt",
            )

    def test_core_contract_is_written_out(self, backend: StorageBackend) -> None:
        """In the class itself: the default is whatever core is installed."""
        ours = (StorageBackend, ByteRangeBackend)
        own = [kind for kind in type(backend).__mro__ if kind not in ours]
        if not any("contract" in vars(kind) for kind in own):
            fail(
                asked=f"contract of {type(backend).__name__}",
                expected=f"contract = {CONTRACT} in the class",
                came_back="the default, which is that of any core it meets",
                usually="it was left out; a later core cannot tell that it must refuse",
            )

    def test_core_prints_nothing(self, backend: StorageBackend) -> None:
        """The core's output may be a pipe; libraries log."""
        batch = self.place(_CASE)
        written = io.StringIO()
        with redirect_stdout(written), redirect_stderr(written):
            backend.reduce_chunks(batch)
            backend.reduce_chunk(batch[0])
            backend.why_not(batch)
        if written.getvalue():
            first = written.getvalue().splitlines()[0]
            fail(
                asked="two chunks, together and one by one",
                expected="an answer, and nothing on standard output or error",
                came_back=f"{first!r} there",
                usually="a print that was meant for debugging",
            )

    def test_core_making_an_instance_does_no_io(self, backend: StorageBackend) -> None:
        """Connections open on first use, so that ``open`` can name ten backends."""
        with watch_io() as seen:
            type(backend)(backend.options)
        if seen:
            fail(
                asked=f"{type(backend).__name__}(options)",
                expected="no I/O",
                came_back=", ".join(seen),
                usually="a client or a session is made in __init__",
            )

    def test_core_why_not_is_none_or_a_sentence_without_io(
        self, backend: StorageBackend
    ) -> None:
        """Of any batch, an empty one too, and of sources that are not there."""
        for case in (*SELECT_CASES[:3], *CAPABILITY_CASES[::40]):
            for places in ([("no/such/source", 0, 8)], []):
                batch = self.batch(case, places)
                backend.why_not(batch)  # what it imports, it imports now
                with watch_io() as seen:
                    reason = backend.why_not(batch)
                if seen:
                    fail(
                        asked=f"why_not of {case:}",
                        expected="no I/O",
                        came_back=", ".join(seen),
                        usually="it asks the server; check() may, why_not may not",
                    )
                if reason is not None and not _is_sentence(reason):
                    fail(
                        asked=f"why_not of {case:}",
                        expected="None, or one line of text for a user",
                        came_back=repr(reason),
                        usually="True and False are no reasons",
                    )

    def test_core_check_is_a_sentence(self, backend: StorageBackend) -> None:
        """``activecore backends --check`` prints it."""
        sentence = backend.check()
        if not _is_sentence(sentence):
            fail(
                asked="check()",
                expected="one line of text, or a BackendError",
                came_back=repr(sentence),
                usually="nothing is returned when all is well",
            )


def _declarations(backend: StorageBackend) -> Iterator[tuple[str, bool]]:
    operations = backend.operations
    yield "name: a word", isinstance(backend.name, str) and backend.name.isidentifier()
    yield (
        f"operations: a frozenset of some of {sorted(OPERATIONS)}",
        (isinstance(operations, frozenset) and operations <= OPERATIONS),
    )
    yield "operations: 'select' among them", "select" in operations
    major, _ = backend.contract
    yield f"contract: written for {CONTRACT[0]}.x", major == CONTRACT[0]
    yield (
        "options_type: a BackendOptions",
        issubclass(backend.options_type, BackendOptions),
    )
    yield "options: an options_type", isinstance(backend.options, backend.options_type)
    for limit in ("concurrency", "batch_bytes", "batch_chunks"):
        yield f"{limit}: at least 1", getattr(backend, limit) >= 1


def _is_sentence(text: object) -> bool:
    return isinstance(text, str) and text.strip() != "" and len(text.splitlines()) == 1
