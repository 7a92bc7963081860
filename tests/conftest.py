"""Settings of all tests."""

import os
import signal

# Before netCDF4, whose own HDF5 plugins h5py would otherwise find and cannot use.
import hdf5plugin  # noqa: F401 - imported for what it registers
import pytest
from homes import HOMES, home_of
from hypothesis import settings

from services.errors import ServicesError

# How long an example takes depends on what else the machine does.
settings.register_profile("activecore", deadline=None, print_blob=True)
# What decides about a change asks the same questions each time; ``make fuzz`` looks for
# new ones.
settings.register_profile("ci", settings.get_profile("activecore"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "activecore")

# A shell that runs the tests in the background has them, and what they start, ignore
# Ctrl-C; some of them are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        default="posix",
        help=f"which backends the agreement suite asks: posix, {', '.join(HOMES)}, "
        "or several with commas between",
    )


def pytest_generate_tests(metafunc):
    if "home" in metafunc.fixturenames:
        backends = metafunc.config.getoption("--backend").split(",")
        metafunc.parametrize("home", backends, indirect=True, scope="session")


@pytest.fixture(scope="session")
def home(request):
    """Where files are placed, and opened through a backend that was chosen."""
    try:
        home = home_of(request.param)
    except ServicesError as error:
        pytest.exit(str(error), returncode=1)
    yield home
    home.close()
