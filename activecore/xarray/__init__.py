"""activecore in xarray: the engine ``"activecore"`` and the accessor ``.active``.

::

    ds = xr.open_dataset("tas.nc", engine="activecore")
    ds.tas.sel(lat=slice(60, 20)).active.mean("time")

xarray finds the engine by itself; with the engine comes the accessor.
"""

from __future__ import annotations

from activecore.xarray.accessor import ActiveDataArray, ActiveDataset
from activecore.xarray.engine import ActivecoreBackendEntrypoint

__all__ = ["ActiveDataArray", "ActiveDataset", "ActivecoreBackendEntrypoint"]
