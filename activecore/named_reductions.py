"""A method for each row of the table of reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from activecore.question import Axis

__all__ = ["NamedReductions"]


class NamedReductions:
    """Reductions by name, as NumPy's functions call them: ``np.mean(array)``."""

    reduce: Callable[..., Any]
    """What answers them; see ``ActiveArray.reduce``."""

    def all(self, axis: Axis = None, **options: Any) -> Any:
        """Tell whether every element is true (not zero). See ``reduce``."""
        return self.reduce("all", axis, **options)

    def any(self, axis: Axis = None, **options: Any) -> Any:
        """Tell whether any element is true (not zero). See ``reduce``."""
        return self.reduce("any", axis, **options)

    def count(self, axis: Axis = None, **options: Any) -> Any:
        """Count the elements that are not missing. See ``reduce``."""
        return self.reduce("count", axis, **options)

    def max(self, axis: Axis = None, **options: Any) -> Any:
        """Find the greatest element. See ``reduce``."""
        return self.reduce("max", axis, **options)

    def mean(self, axis: Axis = None, **options: Any) -> Any:
        """Average the elements, weighted if ``weights`` are given. See ``reduce``."""
        return self.reduce("mean", axis, **options)

    def min(self, axis: Axis = None, **options: Any) -> Any:
        """Find the least element. See ``reduce``."""
        return self.reduce("min", axis, **options)

    def ptp(self, axis: Axis = None, **options: Any) -> Any:
        """Give the greatest element less the least. See ``reduce``."""
        return self.reduce("ptp", axis, **options)

    def std(self, axis: Axis = None, **options: Any) -> Any:
        """Give the standard deviation (n - ``ddof`` below the line). See ``reduce``."""
        return self.reduce("std", axis, **options)

    def sum(self, axis: Axis = None, **options: Any) -> Any:
        """Add up the elements, weighted if ``weights`` are given. See ``reduce``."""
        return self.reduce("sum", axis, **options)

    def var(self, axis: Axis = None, **options: Any) -> Any:
        """Give the variance, with n - ``ddof`` below the line. See ``reduce``."""
        return self.reduce("var", axis, **options)
