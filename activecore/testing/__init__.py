"""For authors and users of backends: a conformance suite, and fakes.

``BackendConformance`` is a pytest class that proves a backend right; ``FakeBackend``
and ``FakeServer`` stand in for one, ``array_info`` and ``active_array`` for a file.
Needs pytest, which activecore itself does not.
"""

try:
    import pytest
except ImportError as error:
    raise ImportError(
        "activecore.testing needs pytest: pip install 'activecore[testing]'"
    ) from error

# Before the suite is imported: an assertion in it then shows what it compared.
pytest.register_assert_rewrite(
    *(
        f"activecore.testing.{name}"
        for name in (
            "answers",
            "damage",
            "declarations",
            "failures",
            "filesystems",
            "lifetime",
            "sharing",
        )
    )
)

from activecore.testing.arrays import active_array, array_info  # noqa: E402 - see above
from activecore.testing.conformance import BackendConformance  # noqa: E402 - see above
from activecore.testing.encode import encode_chunk  # noqa: E402 - see above
from activecore.testing.fake import FakeBackend, FakeServer, Read  # noqa: E402 - see above
from activecore.testing.golden import GoldenCase, golden_case  # noqa: E402 - see above
from activecore.testing.reader import ReaderConformance  # noqa: E402 - see above
from activecore.testing.rig import Rig  # noqa: E402 - see above

__all__ = [
    "BackendConformance",
    "FakeBackend",
    "FakeServer",
    "GoldenCase",
    "Read",
    "ReaderConformance",
    "Rig",
    "active_array",
    "array_info",
    "encode_chunk",
    "golden_case",
]
