"""The version of the contract between the core and its plugins, and what it promises.

The minor number grows when something is added: a plugin that was written for an older
minor works on. The major number grows when something is taken away or means another
thing: plugins of another major are refused. ``docs/backend-authors.md`` has the policy.
"""

from __future__ import annotations

from typing import Any

from activecore.errors import BackendError

__all__ = ["CONTRACT", "require_contract"]

CONTRACT: tuple[int, int] = (1, 0)
"""Version (major, minor) of the contract: backends, readers, the model and hooks."""


def require_contract(theirs: Any, *, who: str, distribution: str) -> None:
    """Make sure that a plugin speaks a contract that this activecore keeps.

    Parameters
    ----------
    theirs
        The contract that its class states.
    who
        The plugin, as messages name it.
    distribution
        The distribution to upgrade where the plugin is too old.

    Raises
    ------
    BackendError
        It is of another major version, of a minor one that is not known here yet, or
        is no version.
    """
    numbers = isinstance(theirs, tuple) and [type(part) for part in theirs]
    if numbers != [int, int]:
        raise BackendError(
            f"the plugin {who}: its contract is {theirs!r}, not (major, minor)"
        )
    if theirs[0] == CONTRACT[0] and theirs[1] <= CONTRACT[1]:
        return
    older = distribution if theirs < CONTRACT else "activecore"
    spoken = ".".join(map(str, CONTRACT))
    raise BackendError(
        f"the plugin {who} is written for contract {theirs[0]}.{theirs[1]}, "
        f"and this activecore speaks {spoken}: upgrade {older}"
    )
