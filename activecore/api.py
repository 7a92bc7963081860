"""The way in: ``open``, and the flow from a URL to a result.

url -> ``backend.filesystem`` -> reader -> ``ArrayInfo`` -> plan -> batches ->
``backend.reduce_chunks`` -> partials -> combine -> finish (unpack, mask, dtype).

``open`` goes as far as ``ArrayInfo``; ``ActiveArray.reduce`` goes the rest of the way.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self, overload

from activecore.arguments import a_text
from activecore.array import ActiveArray
from activecore.config import Settings, load_settings
from activecore.discovery import make_backends, reader_class, reader_plugins
from activecore.errors import (
    BackendNotInstalled,
    ConfigError,
    SourceError,
    VariableNotFound,
    did_you_mean,
)
from activecore.execute import Workers
from activecore.html import dataset_html
from activecore.opened import OpenVariable, opened
from activecore.readers.choose import builtin_readers, find_reader, head_of
from activecore.session import Session
from activecore.urls import public_url

if TYPE_CHECKING:
    from types import TracebackType

    import fsspec
    from numpy.typing import NDArray

    from activecore.model import ArrayInfo, GroupInfo, VariableInfo
    from activecore.readers.base import Reader

__all__ = ["Dataset", "open"]


class Dataset(Mapping[str, ActiveArray]):
    """A read-only mapping of the variables behind one URL.

    ``list(ds)`` names them, ``ds["tas"]`` and ``ds["group/var"]`` give arrays. As a
    context manager it closes the source; arrays already made stay usable.
    """

    def __init__(
        self, url: str, reader: Reader, session: Session, keep: Callable[[], None]
    ) -> None:
        self.url = url
        self._keep = keep
        self._reader = reader
        self._session = session
        self._variables: Mapping[str, VariableInfo] | None = None

    @property
    def variables(self) -> Mapping[str, VariableInfo]:
        """What a listing shows of each variable; no chunk index is read."""
        if self._variables is None:
            self._variables = self._reader.variables()
            self._keep()
        return self._variables

    @property
    def format(self) -> str:
        """Name of the reader that understood the source."""
        return self._reader.name

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the source itself: title, history, Conventions."""
        return self.group_info().attrs

    def group_info(self, group: str = "/") -> GroupInfo:
        """Give the attributes of a group, and its unlimited dimensions.

        Raises
        ------
        VariableNotFound
            There is no such group.
        """
        info = self._reader.group_info(group)
        self._keep()
        return info

    def read(self, name: str) -> NDArray[Any]:
        """Read the whole of a variable that holds no numbers, as its reader has it.

        Numbers are read by ``ds[name].read()``, through the backend.

        Raises
        ------
        VariableNotFound, UnsupportedDtype
            There is no such variable, or its reader cannot read it.
        """
        values = self._reader.read(name)
        self._keep()
        return values

    def __getitem__(self, name: str) -> ActiveArray:
        info = _array_of(self._reader, name)
        self._keep()
        return ActiveArray(info, self._session)

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def close(self) -> None:
        """Close the source. Idempotent."""
        self._reader.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a dataset holds an open source: pickle its arrays instead")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        lines = [f"<activecore.Dataset {self.url} ({self.format})>"]
        try:
            variables = self.variables
        except SourceError:  # it was closed, or the file is gone
            return lines[0]
        for name, variable in variables.items():
            lengths = ", ".join(
                f"{dim}: {length}"
                for dim, length in zip(variable.dims, variable.shape, strict=True)
            )
            lines.append(f"  {name} ({lengths}) {variable.dtype}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        try:
            attrs, variables = self.attrs, self.variables
        except SourceError:  # it was closed, or the file is gone
            return dataset_html(public_url(self.url), f"{self.format}, closed", [], {})
        rows = []
        for name, variable in variables.items():
            lengths = ", ".join(
                f"{dim}: {length}"
                for dim, length in zip(variable.dims, variable.shape, strict=True)
            )
            words = variable.attrs.get("long_name", variable.attrs.get("standard_name"))
            units = variable.attrs.get("units")
            said = [str(word) for word in (words, units) if word is not None]
            dtype = "text" if variable.dtype.kind in "OSU" else str(variable.dtype)
            rows.append((name, f"({lengths})", dtype, ", ".join(said)))
        return dataset_html(
            public_url(self.url), f"activecore.Dataset, {self.format}", rows, attrs
        )


@overload
def open(  # noqa: A001 - as in every library that opens things
    url: str | os.PathLike[str],
    variable: None = None,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    executor: Workers | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> Dataset: ...


@overload
def open(  # noqa: A001 - as in every library that opens things
    url: str | os.PathLike[str],
    variable: str,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    executor: Workers | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> ActiveArray: ...


@overload
def open(  # noqa: A001 - as in every library that opens things
    url: OpenVariable,
    variable: None = None,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    executor: Workers | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> ActiveArray: ...


def open(  # noqa: A001 - as in every library that opens things
    url: str | os.PathLike[str] | OpenVariable,
    variable: str | None = None,
    *,
    backend: str | Sequence[str] | None = None,
    profile: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    executor: Workers | None = None,
    threads: int | None = None,
    settings: Settings | None = None,
) -> Dataset | ActiveArray:
    """Open a source, or one variable of it. Reads metadata only.

    Parameters
    ----------
    url
        A path or a URL; or a variable that pyfive, h5py or netCDF4-python has open,
        which is then opened here by itself, from where it comes from.
    variable
        Name of a variable, ``"tas"`` or ``"group/tas"``; None: the whole dataset.
    backend
        Where chunks are reduced: the name of an installed backend, or several in
        order of preference. None: what the configuration says for this URL, then
        the backend that is installed for its scheme.
    profile
        A named profile of the configuration.
    storage_options
        Options for the backend, for this call; unknown ones are errors.
    reader
        Name of the reader; None: whichever recognises the content.
    executor
        Where chunks are worked on, instead of threads of this process: an executor of
        ``concurrent.futures``, or a ``distributed.Client``. Same answers, to the bit.
    threads
        Batches at work at once; None: what the configuration or the backend says.
    settings
        The configuration; None: from the environment and the config files.

    Raises
    ------
    ConfigError, SourceNotFound, UnsupportedFormat, VariableNotFound, BackendError
        Each in one line.
    """
    if isinstance(url, (str, os.PathLike)):
        where = os.fspath(url)
    else:
        found = opened(url)
        if variable is not None:
            raise ConfigError(f"{found.variable!r} is open already: name no other")
        where, variable = found.url, found.variable
        if storage_options is None:
            storage_options = found.storage_options
    reader = a_text("reader", reader)
    chosen = load_settings() if settings is None else settings
    if not isinstance(chosen, Settings):
        raise ConfigError(
            f"settings must be what load_settings gives, not {type(chosen).__name__}"
        )
    backends = make_backends(
        where,
        backend=backend,
        profile=profile,
        storage_options=storage_options,
        settings=chosen,
    )
    limits = chosen.at(where, profile=profile)
    fs = backends[0].filesystem(where)
    session = Session(
        backends,
        fs,
        threads=limits.threads if threads is None else threads,
        deadline=limits.deadline,
        fall_back=limits.on_failure != "raise",
        executor=executor,
    )
    session.close_backends_at_end()
    # Here, since importing fsspec takes as long as all else that is imported at first.
    from activecore.readers.remote.cache import IndexCache
    from activecore.readers.remote.filesystem import keep, remembering

    folder = limits.index_cache_folder
    cache = None
    if folder is not None:
        cache = IndexCache(folder, limits.index_cache_bytes)
    path = fs._strip_protocol(where)  # noqa: SLF001 - fsspec's own way
    near = remembering(fs, path, cache)
    source = _open_reader(near, path, reader)
    if variable is None:
        return Dataset(where, source, session, functools.partial(keep, near))
    with source:
        info = _array_of(source, variable)
    keep(near)
    return ActiveArray(info, session)


def _array_of(reader: Reader, name: str) -> ArrayInfo:
    if not isinstance(name, str):
        raise VariableNotFound(f"a variable's name is text, not {name!r}")
    return reader.array(name)


def _open_reader(fs: fsspec.AbstractFileSystem, path: str, name: str | None) -> Reader:
    """Open the source with the reader that is named, or that recognises it."""
    head = head_of(fs, path)
    if name is None:
        asked = itertools.chain(builtin_readers(), reader_plugins())
        return find_reader(fs, path, head, asked)(fs, path)
    builtin = {reader.name: reader for reader in builtin_readers()}
    if name in builtin:
        return builtin[name](fs, path)
    try:
        found = reader_class(name)
    except BackendNotInstalled as error:
        hint = did_you_mean(name, builtin)
        known = ", ".join(builtin)
        raise BackendNotInstalled(f"{error} (built in: {known}){hint}") from error
    return found(fs, path)
