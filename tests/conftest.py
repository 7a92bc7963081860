"""Settings of all tests."""

import os
import signal

# Before netCDF4, whose own HDF5 plugins h5py would otherwise find and cannot use.
import hdf5plugin  # noqa: F401 - imported for what it registers
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("activecore", deadline=None, print_blob=True)
# What decides about a change asks the same questions each time; ``make fuzz`` looks for
# new ones.
settings.register_profile("ci", settings.get_profile("activecore"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "activecore")

# A shell that runs the tests in the background has them, and what they start, ignore
# Ctrl-C; some of them are about Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
