"""The engine that ``xr.open_dataset(url, engine="activecore")`` uses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from xarray import Dataset, DataTree
from xarray.backends import BackendEntrypoint, StoreBackendEntrypoint

from activecore.xarray.decoded import linked
from activecore.xarray.source import Source
from activecore.xarray.store import ActiveStore

__all__ = ["ActivecoreBackendEntrypoint"]


class ActivecoreBackendEntrypoint(BackendEntrypoint):
    """Opens whatever activecore reads; ``.active`` reduces it where it lies.

    xarray decodes what is read. Chosen by name only: no file is claimed.
    """

    description: ClassVar[str] = "Open with activecore: reductions run where data lies"
    url: ClassVar[str] = ""
    supports_groups: ClassVar[bool] = True
    open_dataset_parameters: ClassVar[tuple[Any, ...] | None] = (
        "filename_or_obj",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "drop_variables",
        "use_cftime",
        "decode_timedelta",
        "group",
        "backend",
        "profile",
        "storage_options",
        "reader",
        "threads",
    )

    def open_dataset(  # type: ignore[override]  # every engine has options of its own
        self,
        filename_or_obj: str | os.PathLike[Any],
        *,
        mask_and_scale: bool | Mapping[str, bool] | None = True,
        decode_times: Any = True,
        concat_characters: bool | Mapping[str, bool] | None = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        group: str | None = None,
        backend: str | Sequence[str] | None = None,
        profile: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        reader: str | None = None,
        threads: int | None = None,
    ) -> Dataset:
        """Open a source as xarray's other engines do; reads metadata.

        What is not described here is xarray's own.

        Parameters
        ----------
        filename_or_obj
            A path or a URL.
        group
            The group to open; None: the root.
        backend
            As for ``activecore.open``.
        profile
            As for ``activecore.open``.
        storage_options
            As for ``activecore.open``.
        reader
            As for ``activecore.open``.
        threads
            As for ``activecore.open``.

        Raises
        ------
        ActiveCoreError
            In one line, as ``activecore.open`` does.
        """
        source = Source(
            _path(filename_or_obj),
            backend=backend,
            profile=profile,
            storage_options=storage_options,
            reader=reader,
            threads=threads,
        )
        store = ActiveStore(source, "/" if group is None else group)
        try:
            dataset = StoreBackendEntrypoint().open_dataset(
                store,
                mask_and_scale=mask_and_scale,
                decode_times=decode_times,
                concat_characters=concat_characters,
                decode_coords=decode_coords,
                drop_variables=drop_variables,
                use_cftime=use_cftime,
                decode_timedelta=decode_timedelta,
            )
            opened = linked(dataset, store.arrays)
        except BaseException:
            store.close()
            raise
        opened.set_close(source.close)
        return opened

    def open_groups_as_dict(  # type: ignore[override]  # as above
        self, filename_or_obj: str | os.PathLike[Any], **options: Any
    ) -> dict[str, Dataset]:
        """Open every group that has variables, or has such groups; by path."""
        keys = ("backend", "profile", "storage_options", "reader", "threads")
        given = {key: options[key] for key in keys if key in options}
        source = Source(_path(filename_or_obj), **given)
        try:
            names = list(source.dataset.variables)
        finally:
            source.close()
        root = options.pop("group", None) or "/"
        top = PurePosixPath("/") / root.strip("/")
        groups = {top: None}
        for name in names:
            above = (PurePosixPath("/") / name).parents
            inside = [path for path in reversed(above) if path.is_relative_to(top)]
            groups |= dict.fromkeys(inside)
        return {
            str(PurePosixPath("/") / path.relative_to(top)): self.open_dataset(
                filename_or_obj, group=str(path), **options
            )
            for path in groups
        }

    def open_datatree(  # type: ignore[override]  # as above
        self, filename_or_obj: str | os.PathLike[Any], **options: Any
    ) -> DataTree:
        """Open a source and its groups as xarray's tree."""
        return DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def guess_can_open(self, filename_or_obj: Any) -> bool:  # noqa: ARG002 - xarray's
        """Claim nothing: other engines read the same files."""
        return False


def _path(given: Any) -> str:
    """Give a path or URL as text; a path begins at the home directory if it says so."""
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(
            f"engine 'activecore' opens paths and URLs, not {type(given).__name__}"
        )
    path = os.fspath(given)
    return path if "://" in path else str(Path(path).expanduser().absolute())
