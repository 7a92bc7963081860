"""A method for each reduction, with the arguments that xarray's have."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from types import EllipsisType
from typing import Any, NoReturn, TypeAlias

__all__ = ["REDUCTIONS", "Dims", "NamedReductions"]

Dims: TypeAlias = str | Iterable[Hashable] | EllipsisType | None

REDUCTIONS = ("all", "any", "count", "max", "mean", "min", "std", "sum", "var")
"""What is asked of backends."""


class NamedReductions:
    """xarray's reductions, by name."""

    reduce: Callable[..., Any]
    """What answers them: ``reduce(name, dim, **options)``."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f".active has no {name!r} (only {', '.join(REDUCTIONS)}, and what "
            f"dir() lists): call {name!r} without .active, which reads the data"
        )

    def all(self, dim: Dims = None, **options: Any) -> Any:
        """Tell whether all values are true, as xarray's ``all`` does."""
        return self.reduce("all", dim, **options)

    def any(self, dim: Dims = None, **options: Any) -> Any:
        """Tell whether any value is true, as xarray's ``any`` does."""
        return self.reduce("any", dim, **options)

    def count(self, dim: Dims = None, **options: Any) -> Any:
        """Count what is not missing, as xarray's ``count`` does."""
        return self.reduce("count", dim, **options)

    def max(self, dim: Dims = None, **options: Any) -> Any:
        """Find the greatest value, as xarray's ``max`` does."""
        return self.reduce("max", dim, **options)

    def mean(self, dim: Dims = None, **options: Any) -> Any:
        """Average, as xarray's ``mean`` does."""
        return self.reduce("mean", dim, **options)

    def min(self, dim: Dims = None, **options: Any) -> Any:
        """Find the least value, as xarray's ``min`` does."""
        return self.reduce("min", dim, **options)

    def std(self, dim: Dims = None, **options: Any) -> Any:
        """Give the standard deviation, as xarray's ``std`` does."""
        return self.reduce("std", dim, **options)

    def sum(self, dim: Dims = None, **options: Any) -> Any:
        """Add up, as xarray's ``sum`` does."""
        return self.reduce("sum", dim, **options)

    def var(self, dim: Dims = None, **options: Any) -> Any:
        """Give the variance, as xarray's ``var`` does."""
        return self.reduce("var", dim, **options)
