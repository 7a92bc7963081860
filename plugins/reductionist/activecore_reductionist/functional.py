"""The functional form, as clients of PyActiveStorage call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from activecore import BackendRefused, ChunkBatch, ChunkCall, ChunkError, ConfigError
from activecore_reductionist.answering import Conversation
from activecore_reductionist.arriving import of_one_chunk
from activecore_reductionist.asking import Asked, asked_for_elements, asked_of
from activecore_reductionist.attempts import Attempts
from activecore_reductionist.backend import ReductionistBackend
from activecore_reductionist.client import Api, Client
from activecore_reductionist.connection import CallersSession
from activecore_reductionist.errors import ReductionistError
from activecore_reductionist.options import ReductionistOptions
from activecore_reductionist.question import SourceObject
from activecore_reductionist.safety import require_safe
from activecore_s3numpy import require_server

if TYPE_CHECKING:
    import requests
    from numpy.typing import DTypeLike, NDArray

__all__ = ["reduce_chunk"]

_known: dict[str, Api] = {}
"""What servers were found to speak, by URL."""


def reduce_chunk(
    session: requests.Session,
    server: str,
    source: str,
    bucket: str,
    object: str,  # noqa: A002 - the name that callers know
    offset: int,
    size: int,
    compression: Any,
    filters: Iterable[Any] | None,
    missing: Sequence[Any] | None,
    dtype: DTypeLike,
    shape: Sequence[int],
    order: str,
    chunk_selection: Any,
    operation: str | Callable[..., Any] | None,
    *,
    axis: int | Sequence[int] | None = None,
    api_version: str | None = None,
    allow_insecure_auth: bool = False,
) -> tuple[Any, NDArray[Any] | None]:
    """Have a Reductionist server reduce one chunk.

    What the server lacks, or would answer wrongly, is reduced here from the elements,
    which the server selects.

    Parameters
    ----------
    session
        Makes the requests; its ``auth`` is the S3 key and secret, its ``verify`` the
        certificates to trust.
    server
        URL of the server, without the API's version.
    source, bucket, object
        URL of the object store, as the server reaches it, and the object in it.
    offset, size
        Where in the object the chunk lies, in bytes; size -1: the whole object.
    compression, filters
        numcodecs codecs, the filters in the order in which a writer applies them;
        None: there is none.
    missing
        None, or (_FillValue, missing_value, valid_min, valid_max), each None, a
        number, or (the first two) several. All of them hold at once; zero counts.
    dtype, shape, order
        Of the decoded chunk; order ``"C"`` or ``"F"``.
    chunk_selection
        One item per dimension, as NumPy indexes one dimension at a time; an integer
        means the slice of length one.
    operation
        Name of a reduction or the NumPy function; any other function that takes
        ``axis`` and ``keepdims`` is applied to the selected elements. None, or
        ``"select"``: the elements themselves.
    axis
        What to reduce; None: everything.
    api_version
        ``"v1"`` or ``"v2"``; None: found out, once for each server.
    allow_insecure_auth
        Whether the session's secret may be sent over http:// to another machine.

    Returns
    -------
    value
        Reduced axes at length one. Masked where nothing is left.
    count
        Elements behind each value that are not missing; None without an operation.

    Raises
    ------
    ReductionistError
        The server answered with an error.
    BackendUnavailable, BackendRefused
        It did not answer; it has no such codec or dtype.
    SelectionError, ConfigError
        An argument does not fit the chunk, or makes no sense.
    UnsupportedReduction, UnsupportedCodec, UnsupportedDtype
        There is no such reduction; this is no codec; these are no numbers.
    """
    if api_version not in (None, "v1", "v2"):
        raise ConfigError(f"api_version must be 'v1' or 'v2', not {api_version!r}")
    server, source = _url("server", server), _url("source", source)
    if session.auth is not None or "Authorization" in session.headers:
        require_safe(server, allow_insecure_auth=allow_insecure_auth)
    call = ChunkCall.of(
        f"s3://{bucket}/{object}",
        offset,
        size,
        compression,
        filters,
        missing,
        dtype,
        shape,
        order,
        chunk_selection,
        operation,
        axis=axis,
    )
    target = SourceObject(source, bucket, object)
    batch = ChunkBatch.of(call.request)
    defaults = ReductionistOptions()
    attempts = Attempts(
        CallersSession(session),
        defaults.timeout,
        defaults.connect_timeout,
        defaults.retries,
    )
    client = Client(
        server,
        attempts,
        lambda: _keys_of(session),
        api_version=api_version or "auto",
        may_use_cache=True,
        known=_known,
    )
    limit = ReductionistBackend(defaults).max_chunk_bytes
    asked = _asked(batch, defaults.float32_sum_bound)
    conversation = Conversation(client, lambda _: target, batch, asked, limit)
    try:
        partial = conversation.partial()
        if conversation.not_found is not None:
            raise conversation.not_found
    except ChunkError as error:
        # Callers know the server's own words, whatever they are about.
        if isinstance(error.__cause__, ReductionistError):
            raise error.__cause__ from None
        raise
    return call.answer(of_one_chunk(partial, call.request.source))


def _url(name: str, url: str | None) -> str:
    try:
        return require_server(url or "")
    except ValueError as error:
        # Not the URL itself: a password may stand in it.
        raise ConfigError(f"{name} {error}") from None


@dataclass(frozen=True, slots=True)
class _SessionKeys:
    key: str
    secret: str = field(repr=False)
    token: None = None


def _keys_of(session: requests.Session) -> _SessionKeys | None:
    """Give the key and secret that a session sends by itself, to keep them secret."""
    auth = session.auth
    if isinstance(auth, tuple):
        return _SessionKeys(str(auth[0]), str(auth[1]))
    key, secret = (getattr(auth, name, None) for name in ("username", "password"))
    if key is None or secret is None:
        return None
    return _SessionKeys(str(key), str(secret))


def _asked(batch: ChunkBatch, float32_sum_bound: float) -> Asked:
    try:
        return asked_of(batch, float32_sum_bound)
    except BackendRefused:
        return asked_for_elements(batch)
