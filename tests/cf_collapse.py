"""Collapse a field with cf-python, without and with active storage, and say what was done.

usage: python cf_collapse.py SOURCE VARIABLE METHOD AXES [JSON]

The JSON may have the ``active_storage_url``, and ``s3``: how s3fs is to be made.

Prints one JSON object. ``activestorage`` is activecore throughout.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import json
import os
import sys
from pathlib import Path


def provide_udunits():
    """Let cfunits find the UDUNITS library that the wheel of cf-units brings."""
    spec = importlib.util.find_spec("cf_units")
    package = Path(spec.origin).parent
    (library,) = (package.parent / "cf_units.libs").glob("libudunits2*")
    os.environ["UDUNITS2_XML_PATH"] = str(package / "etc" / "share" / "udunits2.xml")
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: (
        str(library) if name == "udunits2" else find(name)
    )


def listed(array):
    """Give the elements of an array, masked or not, with NaN where they are missing."""
    import numpy as np

    return np.ma.filled(np.ma.asarray(array, dtype="f8"), np.nan).ravel().tolist()


def main():
    source, variable, method, axes, options = (*sys.argv[1:], "{}")[:5]
    options = json.loads(options)
    url = options.get("active_storage_url", "https://reductionist.example")
    provide_udunits()
    import cf
    import dask
    import s3fs

    import activecore as ac
    from activecore import compat

    compat.install()
    import activestorage

    assert activestorage.Active is ac.Active
    if "s3" in options:
        # Without a filesystem, cf-python takes the bucket for the server's name.
        fs = s3fs.S3FileSystem(**options["s3"])
        fields = cf.read(source.removeprefix("s3://"), filesystem=fs)
    else:
        fields = cf.read(source)
    field = fields.select_field(f"ncvar%{variable}")
    with dask.config.set(scheduler="synchronous"):
        passive = field.collapse(method, axes=axes.split(",")).array
        with (
            cf.configuration(active_storage=True, active_storage_url=url),
            ac.record() as run,
        ):
            active = field.collapse(method, axes=axes.split(",")).array
    told = {"chunks": run.chunks, "backends": run.backends, "fallbacks": run.fallbacks}
    answers = {
        name: {"shape": array.shape, "values": listed(array)}
        for name, array in (("active", active), ("passive", passive))
    }
    sys.stdout.write(json.dumps({**answers, **told}))


if __name__ == "__main__":
    main()
