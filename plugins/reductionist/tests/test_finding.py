"""What one thread finds out, the others that wait for it learn too."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from activecore import BackendUnavailable, Cancelled
from activecore_reductionist.finding import Finding

AT_ONCE = 16


def asked_at_once(finding, find_out):
    """Let the first thread find out until all the others wait for it."""
    others = threading.Barrier(AT_ONCE)
    calls = []

    def slowly():
        calls.append(threading.get_ident())
        time.sleep(0.3)
        return find_out(len(calls))

    def ask(_):
        others.wait(5)
        try:
            return finding.get(slowly)
        except BackendUnavailable as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE))), len(calls)


def test_it_is_found_out_once():
    found, calls = asked_at_once(Finding(), lambda _: "v2")
    assert found == ["v2"] * AT_ONCE
    assert calls == 1


def test_a_failure_is_everybody_s_and_each_has_a_copy():
    def down(_):
        raise BackendUnavailable("down")

    found, calls = asked_at_once(Finding(), down)
    assert [(type(error), str(error)) for error in found] == [
        (BackendUnavailable, "down")
    ] * AT_ONCE
    assert len({id(error) for error in found}) == AT_ONCE
    assert calls == 1


def test_a_failure_is_not_kept():
    finding = Finding()

    def down():
        raise BackendUnavailable("down")

    with pytest.raises(BackendUnavailable):
        finding.get(down)
    assert finding.get(lambda: "v2") == "v2"


def test_that_another_run_was_stopped_is_nobody_else_s_failure():
    finding = Finding()
    began = threading.Event()

    def stopped():
        began.set()
        time.sleep(0.2)
        raise Cancelled("stopped")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(finding.get, stopped)
        assert began.wait(5)
        assert finding.get(lambda: "v2") == "v2"
        with pytest.raises(Cancelled):
            first.result(5)
