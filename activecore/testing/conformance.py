"""``BackendConformance``: the suite that a backend's author subclasses."""

from __future__ import annotations

from activecore.testing.answers import AnswerChecks
from activecore.testing.damage import DamageChecks
from activecore.testing.declarations import DeclarationChecks
from activecore.testing.failures import FailureChecks
from activecore.testing.lifetime import LifetimeChecks
from activecore.testing.sharing import SharingChecks

__all__ = ["BackendConformance"]


class BackendConformance(
    DeclarationChecks,
    AnswerChecks,
    FailureChecks,
    DamageChecks,
    SharingChecks,
    LifetimeChecks,
):
    """Proves that a backend keeps the contract.

    Subclass it in a test module of yours, and give it a backend and a way to put bytes
    into the backend's store that does not go through the backend::

        class TestMyBackend(BackendConformance):
            @pytest.fixture
            def backend(self, tmp_path):
                self.folder = tmp_path
                backend = MyBackend()
                yield backend
                backend.close()

            def put(self, name, data):
                path = self.folder / name
                path.write_bytes(data)
                return str(path)

    pytest makes one instance for each test, so what the fixture leaves on ``self`` is
    there for ``put``. Override ``delete``, ``unreadable`` and ``put_file`` too where
    you can; ``hooks.Hooks`` says what each is for.

    Tests named ``test_core_…`` are what every backend must pass. They do not skip, save
    for an operation that the backend does not list. Tests named ``test_capability_…``
    skip where ``why_not`` refuses, and name the capability and the backend's reason.
    """
