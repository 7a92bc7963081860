"""What pydantic finds wrong, in one line that names keys and places, never values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from activecore.errors import did_you_mean

__all__ = ["KeyPath", "complaints"]

KeyPath = tuple[str, ...]
"""Where a value lies in nested tables: ``("backends", "posix", "access")``."""

_FROM_VALIDATORS = frozenset({"value_error", "assertion_error"})
"""Problems whose text was written by whoever wrote the validator."""


def complaints(
    error: ValidationError,
    model: type[BaseModel],
    *,
    say: Callable[[KeyPath], str],
    secrets: Iterable[str] = (),
) -> str:
    """Put all that is wrong into one line.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The model that refused its input; names the known keys.
    say
        Gives the words for where a value came from.
    secrets
        Keys of which not even a validator's own message may be shown.
    """
    found = []
    for problem in error.errors(
        include_input=False, include_context=False, include_url=False
    ):
        path = tuple(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_at(model, path[:-1])
            hint = did_you_mean(path[-1], known)
            listed = f" (known: {', '.join(sorted(known))})"
            text = f"unknown key {'.'.join(path)!r}{hint or listed}"
        else:
            text = problem["msg"]
            if problem["type"] in _FROM_VALIDATORS:
                secret = path[:1] and path[0] in secrets
                text = "is not valid" if secret else text.split(", ", 1)[-1]
            if path:
                text = f"{'.'.join(path)}: {text}"
        found.append(f"{say(path)}: {text}")
    return "; ".join(dict.fromkeys(found))


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Name the keys that are known at a place within a model."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind = None if field is None else field.annotation
        else:
            # A mapping or a sequence: what its elements are, is said last.
            kind = next(
                (inner for inner in reversed(get_args(kind)) if inner is not Ellipsis),
                None,
            )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return []
