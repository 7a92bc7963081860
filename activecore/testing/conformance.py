"""``BackendConformance``: the suite that a backend's author subclasses."""

from __future__ import annotations

from activecore.testing.answers import AnswerChecks
from activecore.testing.damage import DamageChecks
from activecore.testing.declarations import DeclarationChecks
from activecore.testing.failures import FailureChecks
from activecore.testing.filesystems import FilesystemChecks
from activecore.testing.lifetime import LifetimeChecks
from activecore.testing.sharing import SharingChecks

__all__ = ["BackendConformance"]


class BackendConformance(
    DeclarationChecks,
    FilesystemChecks,
    AnswerChecks,
    FailureChecks,
    DamageChecks,
    SharingChecks,
    LifetimeChecks,
):
    """Proves that a backend keeps the contract.

    Subclass it in a test module of yours, and give it a rig: what makes a backend, and
    puts bytes into its store in a way that does not go through the backend:

        class MyRig(Rig):
            def backend(self):
                return MyBackend()

            def put(self, name, data):
                path = self.folder / name
                path.write_bytes(data)
                return str(path)


        class TestMyBackend(BackendConformance):
            rig = MyRig

    Override ``delete``, ``unreadable`` and ``put_file`` of ``Rig`` too where you can.
    Where pytest's fixtures make the store, leave ``rig`` out: override the fixture
    ``backend``, and ``put`` and the others as methods of the test class. pytest makes
    one instance for each test, so what the fixture leaves on ``self`` is there for
    ``put``.

    Tests named ``test_core_…`` are what every backend must pass. They do not skip, save
    for an operation that the backend does not list. Tests named ``test_capability_…``
    skip where ``why_not`` refuses, and name the capability and the backend's reason.
    """
