"""How tables of a backend's options are laid over one another."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from activecore.config.keys import MASK
from activecore.config.layers import Value
from activecore.errors import ConfigError
from activecore.options import BackendOptions

__all__ = ["Options", "make_options", "overlay", "shown", "without_bound"]

logger = logging.getLogger(__name__)

Options = dict[str, Value]
"""A backend's options by name, each with where it was written."""

_SECRET_LOOKS = re.compile(
    r"secret|token|password|passwd|credential|key|auth", re.IGNORECASE
)
_SEQUENCES = (list, tuple, set, frozenset)


def overlay(
    below: Mapping[str, Value],
    above: Mapping[str, Value],
    kind: type[BackendOptions] | None = None,
) -> Options:
    """Lay one table over another.

    Where ``above`` says another destination, the secrets that ``below`` has for its
    own destination are not sent there.

    Parameters
    ----------
    kind
        The backend's options, which say what is a secret and where it goes; None:
        unknown, for looking only.
    """
    dropped: set[str] = set()
    for destination, secrets in _destinations(kind).items():
        if destination not in above:
            continue
        before = below.get(destination)
        if before is None or before.value != above[destination].value:
            dropped |= secrets & below.keys()
    for name in sorted(dropped - above.keys()):
        logger.info(
            "%s from %s is not used: it was given for another destination",
            name,
            below[name].origin,
        )
    kept = {name: value for name, value in below.items() if name not in dropped}
    return {**kept, **above}


def without_bound(
    table: Mapping[str, Value], by: Iterable[str], kind: type[BackendOptions] | None
) -> Options:
    """Leave out a destination and its secrets if any of them is among ``by``."""
    bound: set[str] = set()
    for destination, secrets in _destinations(kind).items():
        together = {destination, *secrets}
        if together & set(by):
            bound |= together
    return {name: value for name, value in table.items() if name not in bound}


def _destinations(
    kind: type[BackendOptions] | None,
) -> Mapping[str, frozenset[str]]:
    return {} if kind is None else kind.destinations


def make_options(
    where: str,
    table: Mapping[str, Value],
    kind: type[BackendOptions],
    *,
    profile: str | None,
) -> BackendOptions:
    """Check a table and make a backend's options of it.

    Parameters
    ----------
    where
        What to call the table in an error.
    profile
        Name of the profile that went into it.

    Raises
    ------
    ConfigError
        Names the key and where it was written.
    """
    if "profile" in table:
        raise ConfigError(
            f"{where} (from {table['profile'].origin}): 'profile' is no option of a "
            "backend: name a profile beside it, not in its table"
        )
    # Numbers and the like are left to the options' own validation.
    values = {
        name: _structured(value.value, kind.model_fields[name].annotation)
        if value.is_text and name in kind.model_fields
        else value.value
        for name, value in table.items()
    }
    if profile is not None:
        values["profile"] = profile
    origins = {name: value.origin for name, value in table.items()}
    return kind.make(values, where=where, origins=origins)


def _structured(text: Any, annotation: Any) -> Any:
    kinds = {get_origin(part) or part for part in (annotation, *get_args(annotation))}
    if not isinstance(text, str) or not kinds & {*_SEQUENCES, dict}:
        return text
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text  # the options' validation says what they want
    return text.split(",") if kinds & set(_SEQUENCES) else text


def shown(name: str, value: Any, *, secret: bool | None = None) -> Any:
    """Make a value that may be shown: plain data, secrets masked.

    Parameters
    ----------
    secret
        Whether it is one; None: nobody can say, so its name decides.
    """
    if value is None or isinstance(value, bool):
        return value
    if secret or (secret is None and _SECRET_LOOKS.search(name)):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, _SEQUENCES):
        return [shown(name, inner, secret=secret) for inner in value]
    if isinstance(value, (int, float)):
        return value
    # A user and password within a URL.
    return re.sub(r"(?<=//)[^/@\s]+@", f"{MASK}@", str(value))
