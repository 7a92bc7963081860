"""Every codec that is decoded here, by its identifier.

``docs/codecs.md`` says who writes each and which library decodes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from activecore.codecs.blocked import hdf5_bitshuffle_step, hdf5_lz4_step
from activecore.codecs.blocks import blosc_step, lz4_step, zstd_step
from activecore.codecs.blosc2 import blosc2_step
from activecore.codecs.checksums import (
    adler32_step,
    crc32_step,
    crc32c_step,
    fletcher32_step,
)
from activecore.codecs.filters import (
    astype_step,
    bitround_step,
    delta_step,
    fixedscaleoffset_step,
    packbits_step,
    quantize_step,
)
from activecore.codecs.hdf5 import lzf_step, nbit_step, szip_step
from activecore.codecs.inflate import gzip_step, zlib_step
from activecore.codecs.scaleoffset import scaleoffset_step
from activecore.codecs.shuffle import shuffle_step
from activecore.codecs.step import Factory
from activecore.codecs.streams import bz2_step, lzma_step

__all__ = ["FACTORIES"]

FACTORIES: Mapping[str, Factory] = MappingProxyType(
    {
        "adler32": adler32_step,
        "astype": astype_step,
        "bitround": bitround_step,
        "blosc": blosc_step,
        "blosc2": blosc2_step,
        "bz2": bz2_step,
        "crc32": crc32_step,
        "crc32c": crc32c_step,
        "delta": delta_step,
        "fixedscaleoffset": fixedscaleoffset_step,
        "fletcher32": fletcher32_step,
        "gzip": gzip_step,
        "hdf5_bitshuffle": hdf5_bitshuffle_step,
        "hdf5_lz4": hdf5_lz4_step,
        "hdf5_nbit": nbit_step,
        "hdf5_scaleoffset": scaleoffset_step,
        "hdf5_szip": szip_step,
        "lz4": lz4_step,
        "lzf": lzf_step,
        "lzma": lzma_step,
        "packbits": packbits_step,
        "quantize": quantize_step,
        "shuffle": shuffle_step,
        "zlib": zlib_step,
        "zstd": zstd_step,
    }
)
"""What makes a step of each codec's configuration."""
