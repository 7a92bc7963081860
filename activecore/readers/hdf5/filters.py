"""HDF5 filters by number, as codecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from activecore.model import Codec

if TYPE_CHECKING:
    import h5py

__all__ = ["codecs_of_filters", "codecs_unmasked"]

_Parameters: TypeAlias = Sequence[int]
"""A filter's "client data": numbers whose meaning is the filter's own."""
_Translation: TypeAlias = Callable[[_Parameters, int], Codec]

_TRANSLATIONS: Mapping[int, _Translation] = {
    1: lambda parameters, _: Codec.of("zlib", level=_at(parameters, 0, 1)),
    2: lambda parameters, itemsize: Codec.of(
        "shuffle", elementsize=_at(parameters, 0, itemsize)
    ),
    3: lambda *_: Codec.of("fletcher32"),
    4: lambda parameters, _: Codec.of("hdf5_szip", parameters=tuple(parameters)),
    5: lambda parameters, _: Codec.of("hdf5_nbit", parameters=tuple(parameters)),
    6: lambda parameters, _: Codec.of("hdf5_scaleoffset", parameters=tuple(parameters)),
    307: lambda *_: Codec.of("bz2"),
    32000: lambda parameters, _: Codec.of("lzf", size=_at(parameters, 2, 0)),
    32001: lambda *_: Codec.of("blosc"),
    32004: lambda *_: Codec.of("hdf5_lz4"),
    32008: lambda parameters, _: Codec.of(
        "hdf5_bitshuffle", parameters=tuple(parameters)
    ),
    32015: lambda *_: Codec.of("zstd"),
    32026: lambda *_: Codec.of("blosc2"),
}
"""The filters whose meaning is known, by their registered numbers."""


def codecs_of_filters(plist: h5py.h5p.PropDCID, itemsize: int) -> tuple[Codec, ...]:
    """Give a dataset's filter pipeline as codecs, one for one, in encode order.

    Parameters
    ----------
    plist
        The dataset's creation properties.
    itemsize
        Size of its elements in bytes.

    Returns
    -------
    tuple of Codec
        A filter that is not known is ``hdf5:<number>``, with its registered name.
    """
    codecs = []
    for place in range(plist.get_nfilters()):
        number, _, parameters, name = plist.get_filter(place)
        translate = _TRANSLATIONS.get(number)
        if translate is None:
            text = name.decode("utf-8", "replace")
            codecs.append(Codec.of(f"hdf5:{number}", name=text))
        else:
            codecs.append(translate(tuple(int(v) for v in parameters), itemsize))
    return tuple(codecs)


def codecs_unmasked(codecs: Sequence[Codec], mask: int) -> tuple[Codec, ...]:
    """Leave out the filters that a chunk's filter mask says were skipped."""
    return tuple(codec for place, codec in enumerate(codecs) if not mask >> place & 1)


def _at(parameters: _Parameters, place: int, otherwise: int) -> int:
    return parameters[place] if len(parameters) > place else otherwise
