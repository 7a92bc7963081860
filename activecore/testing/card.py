"""The report card of a backend: which obligations it keeps, and what it can do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from activecore.backend import StorageBackend
from activecore.errors import ActiveCoreError, BackendUnavailable
from activecore.testing.conformance import BackendConformance
from activecore.testing.measure import Accuracy, Speed, accuracies, speeds
from activecore.testing.outcomes import Outcome, checks, outcomes_of
from activecore.testing.rig import Rig

__all__ = ["Capability", "Card", "Obligation", "report_card"]

Verdict: TypeAlias = Literal["passed", "failed", "not applicable"]
Notice: TypeAlias = Callable[[str, int, int], object]

_MOST_FINDINGS = 3
_PATIENCE = 3
_GIVEN_UP = f"not asked any more: it hung {_PATIENCE} times"


@dataclass(frozen=True)
class Obligation:
    """One check of the suite, over all its cases."""

    check: str
    """Name of the test method of ``BackendConformance``."""
    what: str
    """What has to hold, in words."""
    verdict: Verdict
    """Failed where one case failed; not applicable where the backend offers none."""
    passed: int
    """Cases that passed."""
    failed: int
    """Cases that failed."""
    not_offered: int
    """Cases that the backend refuses, or does not list."""
    findings: tuple[str, ...]
    """What the first failures said: asked, expected, came back, usual cause."""


@dataclass(frozen=True)
class Capability:
    """Something that a backend may be able to do."""

    name: str
    """``"dtype float16"``, ``"codec zstd"``, …"""
    offered: bool
    """Whether some case that needs it was answered."""
    reason: str
    """Why not, in the backend's words."""


@dataclass(frozen=True)
class Card:
    """All that the suite found out about a backend."""

    backend: str
    """Its name."""
    contract: tuple[int, int]
    """The contract it is written for."""
    operations: tuple[str, ...]
    """What it lists."""
    obligations: tuple[Obligation, ...]
    """Every check."""
    capabilities: tuple[Capability, ...]
    """Every capability that a case asks for."""
    accuracies: tuple[Accuracy, ...]
    """How near its answers are to the exact ones."""
    speeds: tuple[Speed, ...]
    """What a chunk costs."""
    problem: str | None = None
    """Why it was not measured, where it was not."""
    distribution: str = ""
    """Name of the distribution that brings it, where that is known."""
    version: str = ""
    """Version of that distribution."""

    @property
    def passed(self) -> bool:
        """Whether every obligation that applies is kept."""
        return all(one.verdict != "failed" for one in self.obligations)

    def as_dict(self) -> dict[str, Any]:
        """Give the card as plain data."""
        return {"passed": self.passed, **asdict(self)}


def report_card(
    make: Callable[[], Rig], *, limit: float = 60.0, notice: Notice | None = None
) -> Card:
    """Run the whole suite on a backend, and measure it.

    Parameters
    ----------
    make
        Gives a rig. It is asked for a new backend for each case.
    limit
        Seconds that each case may take.
    notice
        Told before each check: its words, its number, how many there are.
    """
    rig = make()

    def bench() -> tuple[BackendConformance, StorageBackend]:
        suite = BackendConformance()
        suite.use(rig)
        return suite, rig.backend()

    found: list[Outcome] = []
    obligations = []
    names = checks()
    try:
        sample = rig.backend()
        rig.put("probe", b"what is wrong with the rig itself is said at once")
        for number, name in enumerate(names):
            words = _words(name)
            if notice is not None:
                notice(words, number, len(names))
            if sum(outcome.hangs for outcome in found) >= _PATIENCE:
                outcomes = [Outcome(name, "failed", _GIVEN_UP)]
            else:
                outcomes = list(_bearable(outcomes_of(bench, name, limit=limit)))
            found += outcomes
            obligations.append(_obligation(name, words, outcomes))
        problem = None
        near: tuple[Accuracy, ...] = ()
        fast: tuple[Speed, ...] = ()
        try:
            if any(outcome.hangs for outcome in found):
                raise BackendUnavailable("it hangs")
            near, fast = tuple(accuracies(bench)), tuple(speeds(bench))
        except ActiveCoreError as error:
            problem = str(error)
        return Card(
            backend=str(sample.name),
            contract=sample.contract,
            operations=tuple(sorted(sample.operations)),
            obligations=tuple(obligations),
            capabilities=tuple(_capabilities(found)),
            accuracies=near,
            speeds=fast,
            problem=problem,
        )
    finally:
        rig.close()


def _bearable(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Stop asking a check's further cases when a few of them hang."""
    hung = 0
    for outcome in outcomes:
        yield outcome
        hung += outcome.hangs
        if hung >= _PATIENCE:
            return


def _words(check: str) -> str:
    """Say what a check is about: its name, read as a sentence, and its docstring."""
    name = check.removeprefix("test_").partition("_")[2].replace("_", " ")
    text = inspect.getdoc(getattr(BackendConformance, check)) or ""
    return f"{name}: {text.partition(chr(10))[0]}"


def _reason(outcome: Outcome) -> str:
    """Give the backend's own words, which come last."""
    needs, _, reason = outcome.said.partition(": ")
    return reason or f"{needs.removeprefix('operation ')} is not listed"


def _obligation(check: str, words: str, outcomes: Iterable[Outcome]) -> Obligation:
    by_how: dict[str, list[Outcome]] = {"passed": [], "failed": [], "not offered": []}
    for outcome in outcomes:
        by_how[outcome.how].append(outcome)
    verdict: Verdict = "not applicable"
    if by_how["failed"]:
        verdict = "failed"
    elif by_how["passed"]:
        verdict = "passed"
    return Obligation(
        check=check,
        what=words,
        verdict=verdict,
        passed=len(by_how["passed"]),
        failed=len(by_how["failed"]),
        not_offered=len(by_how["not offered"]),
        findings=tuple(o.said for o in by_how["failed"][:_MOST_FINDINGS]),
    )


def _capabilities(outcomes: Iterable[Outcome]) -> Iterator[Capability]:
    """Name what some case needs; why it is not offered is told by the plainest one."""
    offered: dict[str, bool] = {}
    reasons: dict[str, tuple[int, str]] = {}
    for outcome in outcomes:
        if outcome.case is None:
            continue
        needs = outcome.case.capabilities
        for need in needs:
            offered[need] = offered.get(need, False) or outcome.how == "passed"
            if outcome.how == "passed":
                continue
            reason = "it fails" if outcome.how == "failed" else _reason(outcome)
            if need not in reasons or len(needs) < reasons[need][0]:
                reasons[need] = (len(needs), reason)
    for need, is_offered in offered.items():
        yield Capability(need, is_offered, "" if is_offered else reasons[need][1])
