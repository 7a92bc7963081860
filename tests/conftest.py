"""Settings of all tests."""

# Before netCDF4, whose own HDF5 plugins h5py would otherwise find and cannot use.
import hdf5plugin  # noqa: F401 - imported for what it registers
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("activecore", deadline=None, print_blob=True)
settings.load_profile("activecore")
