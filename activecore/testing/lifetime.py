"""Checks of a backend's life: copies of it, its secrets, its end."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable

import numpy as np
from pydantic import SecretStr

from activecore.backend import StorageBackend
from activecore.errors import ActiveCoreError, AuthenticationError, ConfigError
from activecore.model import ChunkBatch
from activecore.testing.golden import golden_case
from activecore.testing.harness import Harness, fail

__all__ = ["LifetimeChecks"]

_SECRET = "conformance-secret-4f1d"  # noqa: S105 - made up, for the suite to look for

_CASE = golden_case(
    "lifetime",
    [np.arange(12, dtype="f8").reshape(3, 4) * k for k in (1, 2, 3)],
    "select",
)
_ROWS = range(3)
_CALLS = 200
_PATIENCE = 30.0


class LifetimeChecks(Harness):
    """From the first pickle to the last call."""

    def test_core_pickled_copy_answers(self, backend: StorageBackend) -> None:
        """Workers elsewhere get a copy of an instance that may be in use."""
        batch = self.place(_CASE)
        self.hold(_CASE, backend.reduce_chunks(batch), _ROWS)
        secrets = backend.options_type.secret_fields()
        stay_at_home = any(
            getattr(backend.options, name) is not None for name in secrets
        )
        try:
            copy = pickle.loads(pickle.dumps(backend))  # noqa: S301 - our own pickle
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            if stay_at_home and isinstance(error, ConfigError):
                return  # it says that the worker's configuration lacks them
            fail(
                asked="a pickled copy of the backend",
                expected="a copy",
                came_back=f"{type(error).__name__}: {error}",
                usually="locks, connections and open files: leave them out in "
                "__getstate__, and open them on first use",
            )
        try:
            partial = copy.reduce_chunks(batch)
        except (AuthenticationError, ConfigError):
            if stay_at_home:  # a worker takes them from its own configuration
                return
            raise
        finally:
            copy.close()
        self.hold(_CASE, partial, _ROWS)

    def test_core_secrets_stay_out_of_pickle_and_repr(
        self, backend: StorageBackend
    ) -> None:
        """Every secret among the options, wherever the instance keeps it."""
        names = sorted(backend.options_type.secret_fields())
        secrets = {name: SecretStr(_SECRET) for name in names}
        options = backend.options.model_copy(
            update={**secrets, "pickle_secrets": False}
        )
        secretive = type(backend)(options)
        shown = {
            "its pickle": pickle.dumps(secretive),
            "its repr": repr(secretive).encode(),
            "the repr of its options": repr(secretive.options).encode(),
        }
        leaks = [where for where, text in shown.items() if _SECRET.encode() in text]
        if leaks:
            fail(
                asked=f"a backend with secrets in the options {', '.join(names)}",
                expected="no secret in pickle or repr",
                came_back=f"the secret, in {' and '.join(leaks)}",
                usually="get_secret_value() is kept in an attribute; call it when the "
                "connection is opened",
            )

    def test_core_close_is_idempotent(self, backend: StorageBackend) -> None:
        """Whoever holds a backend closes it."""
        backend.close()
        try:
            backend.close()
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            fail(
                asked="close(), a second time",
                expected="nothing happens",
                came_back=f"{type(error).__name__}: {error}",
                usually="what was released is not marked as released",
            )

    def test_core_closed_backend_raises(self, backend: StorageBackend) -> None:
        """Both forms of asking, after an answer and a close."""
        batch = self.place(_CASE)
        self.hold(_CASE, backend.reduce_chunks(batch), _ROWS)
        backend.close()
        _must_be_closed("reduce_chunks", lambda: backend.reduce_chunks(batch))
        _must_be_closed("reduce_chunk", lambda: backend.reduce_chunk(batch[0]))

    def test_core_instances_live_apart(self, backend: StorageBackend) -> None:
        """Closing one leaves the others open, and a new one can be opened after it."""
        batch = self.place(_CASE)
        other = self.another(backend)
        asked = "two backends of one store, after one of them was closed"
        try:
            self.hold(_CASE, other.reduce_chunks(batch), _ROWS)
            other.close()
            self.hold(_CASE, backend.reduce_chunks(batch), _ROWS)
            other = self.another(backend)
            self.hold(_CASE, other.reduce_chunks(batch), _ROWS)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            fail(
                asked=asked,
                expected="an answer",
                came_back=f"{type(error).__name__}: {error}",
                usually="a connection or a pool that belongs to the class or the "
                "module, and was closed with one instance",
            )
        finally:
            other.close()

    def test_core_close_during_calls_is_safe(self, backend: StorageBackend) -> None:
        """Each call in flight is answered rightly, or raises; none hangs."""
        batch = self.place(_CASE)
        started = threading.Semaphore(0)
        ended: list[str | None] = []
        threads = [
            threading.Thread(
                target=lambda: ended.append(_ask_until_closed(backend, batch, started)),
                daemon=True,
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for _ in range(8):
            started.acquire(timeout=5)
        backend.close()
        for thread in threads:
            thread.join(_PATIENCE)
        wrong = [text for text in ended if text is not None]
        if len(ended) < len(threads):
            wrong.append(f"no end within {_PATIENCE:g} s")
        if wrong:
            fail(
                asked="close() while 4 threads are asking",
                expected="each call answered rightly, or a BackendError",
                came_back=wrong[0],
                usually="what a call in flight uses is taken away under it; wait for "
                "calls, or let each hold what it needs",
            )

    def test_core_close_leaves_no_thread_behind(self, backend: StorageBackend) -> None:
        """A thread that is no daemon keeps the program from ending."""
        before = set(threading.enumerate())
        self.hold(_CASE, backend.reduce_chunks(self.place(_CASE)), _ROWS)
        backend.close()
        left = _still_running(before)
        if left:
            fail(
                asked="close()",
                expected="no thread of the backend is left",
                came_back=f"threads {left}",
                usually="a pool is not shut down",
            )


def _ask_until_closed(
    backend: StorageBackend, batch: ChunkBatch, started: threading.Semaphore
) -> str | None:
    """Ask again and again; say what came that is neither the answer nor an error."""
    for _ in range(_CALLS):
        started.release()
        try:
            (got,) = backend.reduce_chunks(batch).values
        except ActiveCoreError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
            return f"{type(error).__name__}: {error}"
        if not np.array_equal(got, np.stack(_CASE.chunks)):
            return f"an answer, beginning {got.ravel()[:4]}"
    return None


def _must_be_closed(name: str, call: Callable[[], object]) -> None:
    try:
        call()
        came_back = "an answer"
    except ActiveCoreError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        came_back = f"{type(error).__name__}: {error}"
    fail(
        asked=f"{name} of a closed backend",
        expected="a BackendError",
        came_back=came_back,
        usually="close does not call super().close(), or reduce_chunk does not look "
        "whether the backend is closed",
    )


def _still_running(before: set[threading.Thread]) -> list[str]:
    """Name new threads that keep the program alive, a moment after the close."""
    until = time.monotonic() + 1
    while True:
        left = [
            thread.name
            for thread in threading.enumerate()
            if thread not in before and not thread.daemon
        ]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.01)
