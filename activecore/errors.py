"""Every exception that activecore raises.

The tree, grouped by what a caller would do about it:

```text
ActiveCoreError
├── ConfigError                 mend the configuration or the call
├── SourceError                 look at the source
│   ├── SourceNotFound              (also a FileNotFoundError)
│   ├── SourceChanged               open it again
│   ├── UnsupportedFormat
│   ├── UnsupportedDtype
│   └── VariableNotFound            (also a KeyError)
├── SelectionError              mend the index or the axis (also an IndexError)
├── UnsupportedReduction        ask for something else
├── UnsupportedCodec            install a codec or another backend
├── ChunkError                  names variable, chunk, source and byte range
│   ├── ChunkReadError              the bytes did not come
│   ├── ChunkNotFound               there is no such object
│   └── ChunkDecodeError            the bytes came and are wrong
├── BackendError                look at the backend
│   ├── BackendNotInstalled         gives the pip command
│   ├── BackendUnavailable          it did not answer; another may
│   ├── BackendRefused              it will not answer this; another may
│   └── AuthenticationError
└── Cancelled                   somebody stopped the run
```

Every message is one line. Every exception survives pickling, because workers raise
them in other processes: positional ``args`` hold the message alone, all else is an
attribute with a default.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "ActiveCoreError",
    "AuthenticationError",
    "BackendError",
    "BackendNotInstalled",
    "BackendRefused",
    "BackendUnavailable",
    "Cancelled",
    "ChunkDecodeError",
    "ChunkError",
    "ChunkNotFound",
    "ChunkReadError",
    "ConfigError",
    "SelectionError",
    "SourceChanged",
    "SourceError",
    "SourceNotFound",
    "UnsupportedCodec",
    "UnsupportedDtype",
    "UnsupportedFormat",
    "UnsupportedReduction",
    "VariableNotFound",
    "did_you_mean",
]


class ActiveCoreError(Exception):
    """The base of every error that activecore raises on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(message.split()))

    def __str__(self) -> str:
        # KeyError would print the repr of the message, OSError may add an errno.
        return str(self.args[0]) if self.args else ""


class ConfigError(ActiveCoreError):
    """A setting, option or argument is unknown, of the wrong type or contradictory."""


class SourceError(ActiveCoreError):
    """The source is not what it was taken for."""


class SourceNotFound(SourceError, FileNotFoundError):
    """There is nothing at this URL."""


class SourceChanged(SourceError):
    """The source was written to after it was opened; answers would be a mixture."""


class UnsupportedFormat(SourceError):
    """No reader understands the source, or it uses a feature no reader supports."""


class UnsupportedDtype(SourceError):
    """The variable holds something that cannot be reduced: text, records, objects."""


class VariableNotFound(SourceError, KeyError):
    """The source has no variable (or group) of this name."""


class SelectionError(ActiveCoreError, IndexError):
    """An index, axis or weight does not fit the array."""


class UnsupportedReduction(ActiveCoreError):
    """No such reduction, or no backend in the list can answer it."""


class UnsupportedCodec(ActiveCoreError):
    """The chunks are encoded in a way that nothing here decodes."""


class ChunkError(ActiveCoreError):
    """One chunk could not be reduced.

    Parameters
    ----------
    message
        What happened, in one line.
    position
        The chunk's place in the batch that failed; the core turns it into
        ``coords``, ``source``, ``offset`` and ``size``.
    """

    def __init__(self, message: str = "", *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.variable: str | None = None
        self.coords: tuple[int, ...] | None = None
        self.source: str | None = None
        self.offset: int | None = None
        self.size: int | None = None

    def __str__(self) -> str:
        text = super().__str__()
        if self.source is None:
            return text if self.variable is None else f"{self.variable}: {text}"
        extent = "" if self.size in (None, -1) else f" bytes {self.offset}+{self.size}"
        chunk = "" if self.coords is None else f" chunk {self.coords}"
        variable = "" if self.variable is None else self.variable
        where = f"{variable}{chunk}".strip()
        return f"{where} in {self.source}{extent}: {text}".strip()


class ChunkReadError(ChunkError):
    """The bytes of a chunk could not be read; never a reason to use the fill value."""


class ChunkNotFound(ChunkError):
    """There is no object where a chunk should lie.

    The core answers from the fill value where the format says that absence means
    fill (Zarr); anywhere else this is the user's error.
    """


class ChunkDecodeError(ChunkError):
    """The bytes of a chunk are not what its layout says: size, checksum or stream."""


class BackendError(ActiveCoreError):
    """A backend could not do what it was asked."""


class BackendNotInstalled(BackendError):
    """No installed distribution provides the backend (or reader) of this name."""


class BackendUnavailable(BackendError):
    """The backend did not answer, after its own retries. The next one may."""


class BackendRefused(BackendError):
    """The backend will not answer this request. The next one may."""


class AuthenticationError(BackendError):
    """Credentials are missing, wrong or expired. Never a reason to try elsewhere."""


class Cancelled(ActiveCoreError):
    """The run that this work belonged to was stopped by an error or by Ctrl-C."""


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Say what was probably meant: ``"; did you mean 'tas'?"``, or nothing."""
    names: Sequence[str] = list(known)
    folded = {known_name.casefold(): known_name for known_name in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=most, cutoff=0.6)
    if not close:
        return ""
    return "; did you mean " + " or ".join(repr(folded[match]) for match in close) + "?"
