"""What the reader of netCDF4 files knows of HDF5.

``file`` opens it; ``tree``, ``dimensions``, ``phony`` and ``attributes`` find variables
and name their dimensions as the netCDF library does; ``types``, ``header``, ``chunks``,
``filters``, ``fill`` and ``storage`` say how elements are stored; ``index`` holds where
chunks lie; ``variable`` puts it together.
"""
