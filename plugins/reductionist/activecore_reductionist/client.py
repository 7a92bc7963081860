"""Asking a Reductionist server: attempts, time limits, sizes, versions of the API."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from activecore import BackendRefused
from activecore_reductionist import wire_v1, wire_v2
from activecore_reductionist.attempts import Attempts, Received
from activecore_reductionist.connection import Exchange
from activecore_reductionist.errors import error_of, without
from activecore_reductionist.finding import Finding
from activecore_reductionist.question import Question, SourceObject
from activecore_reductionist.wire import MARGIN, Reply, question_json, request_body

__all__ = ["TEMPORARY", "Answer", "Api", "Client", "Keys"]

_BAD_REQUEST, _NOT_FOUND, _OK = 400, 404, 200

_OF_OTHERS = frozenset({200, 301, 302, 303, 307, 308, 400, 405, 501})
"""What web servers of other kinds say to a question what they speak."""


TEMPORARY = (
    "temporary credentials need their session token, which Basic authentication cannot "
    "carry to the server"
)
"""Why temporary credentials are refused."""


class Keys(Protocol):
    """An access key and its secret, as they are now."""

    @property
    def key(self) -> str:
        """The access key."""

    @property
    def secret(self) -> str:
        """The secret key."""

    @property
    def token(self) -> str | None:
        """The session token of a temporary key."""


@dataclass(frozen=True, slots=True)
class Api:
    """What a server was found to speak."""

    version: str
    """``v1`` or ``v2``."""
    has_options: bool
    """Whether it knows the ``option_…`` keys, of release 0.13: then it can be told to
    leave its cache of chunks alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked reply, and what it cost."""

    reply: Reply
    received: int
    """Bytes of the body."""
    retries: int
    """Further attempts that it took."""


class Client:
    """One server, asked by many threads.

    Parameters
    ----------
    url
        The server, without the API's version.
    attempts
        How a request is made, again if need be.
    credentials
        Gives the key and secret that hold now, or None: anonymous. Asked per request.
    api_version
        ``v1``, ``v2`` or ``auto``: found out on first use.
    may_use_cache
        Whether the server may answer from chunks that it kept, which it does not
        compare with the store.
    known
        What servers were found to speak, by URL: kept by whoever makes many clients.
    """

    def __init__(
        self,
        url: str,
        attempts: Attempts,
        credentials: Callable[[], Keys | None],
        *,
        api_version: str = "auto",
        may_use_cache: bool = False,
        known: dict[str, Api] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._attempts = attempts
        self._credentials = credentials
        self._wanted = api_version
        self._may_use_cache = may_use_cache
        self._known = {} if known is None else known
        self._finding = Finding[Api]()

    def api(self) -> Api:
        """Say what the server speaks; asked once, without credentials.

        Raises
        ------
        BackendRefused
            It is no Reductionist server, or one of a release that cannot be used.
        BackendUnavailable
            It does not answer.
        """
        api = self._known.get(self.url)
        if api is None:
            self._known[self.url] = api = self._finding.get(self._discovered)
        return api

    def ask(
        self, question: Question, target: SourceObject, offset: int, size: int
    ) -> Answer:
        """Ask about one chunk.

        Raises
        ------
        ReductionistError, BackendUnavailable
            The server did not answer, or refused, or what came is no answer to this.
        ChunkNotFound, ChunkReadError, ChunkDecodeError
            What it said of the chunk.
        """
        api = self.api()
        text = question_json(question)
        if api.version == "v2":
            where, decode, label = wire_v2.where, wire_v2.decode, wire_v2.CONTENT_TYPE
        else:
            where, decode, label = wire_v1.where, wire_v1.decode, wire_v1.CONTENT_TYPE
        if api.has_options:
            text += f",{wire_v2.OPTIONS}"
        if not self._may_use_cache:
            text += self._without_cache(api)
        received = self._attempts.make(
            Exchange(
                f"{self.url}/{api.version}/{question.operation}",
                request_body(where(target), offset, size, text),
                self._headers(),
                self._attempts.connect_timeout,
                self._attempts.timeout,
            ),
            largest=2 * question.reply_bytes + MARGIN,
        )
        if received.status != _OK:
            raise self._error(received)
        received.require_type(label)
        reply = decode(question, received.headers, received.body)
        return Answer(reply, len(received.body), received.retries)

    def _without_cache(self, api: Api) -> str:
        if api.has_options:
            return ',"option_disable_chunk_cache":true'
        raise BackendRefused(
            f"the server at {self.url} is older than 0.13 and cannot be told to leave "
            "its cache of chunks alone, which does not notice that an object was "
            "overwritten; if it has no cache, or objects never change, set "
            "chunk_cache = true"
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "activecore-reductionist",
        }
        keys = self._credentials()
        if keys is not None:
            if keys.token is not None:
                raise BackendRefused(TEMPORARY)
            headers["Authorization"] = f"Basic {_basic(keys)}"
        return headers

    def _error(self, received: Received) -> Exception:
        if received.status == _NOT_FOUND and not received.body:
            # The server was exchanged for one of another release, or is none.
            self._known.pop(self.url, None)
            return BackendRefused(f"there is no Reductionist API at {self.url}")
        return self._error_of(received)

    def _error_of(self, received: Received) -> Exception:
        """Make the error that a reply means, with the secret taken out of it."""
        keys = self._credentials()
        secrets = [] if keys is None else [keys.secret, _basic(keys)]
        return error_of(received.status, without(received.body, secrets))

    def _discovered(self) -> Api:
        """Find out what the server speaks from how it refuses half a request."""
        found = None
        if self._wanted in ("auto", "v2"):
            found = self._probed("v2", b'{"option_count_as_bytes":true}')
            if found is not None:
                return Api("v2", has_options="unknown field" not in found)
        if self._wanted in ("auto", "v1"):
            found = self._probed("v1", b'{"axis":[0]}')
            if found is not None:
                if "unknown field" in found:
                    raise BackendRefused(
                        f"the server at {self.url} is older than 0.11 and reduces no "
                        "single axes"
                    )
                return Api("v1", has_options=False)
        what = "API" if self._wanted == "auto" else f"API {self._wanted}"
        raise BackendRefused(f"there is no Reductionist {what} at {self.url}")

    def _probed(self, version: str, body: bytes) -> str | None:
        """Give the server's complaint; None: it does not know this version."""
        received = self._attempts.make(
            Exchange(
                f"{self.url}/{version}/count",
                body,
                {"Content-Type": "application/json", "Accept-Encoding": "identity"},
                self._attempts.connect_timeout,
                self._attempts.timeout,
            ),
            largest=MARGIN,
        )
        text = received.body.decode("utf-8", "replace")
        if received.status == _BAD_REQUEST and " field `" in text:
            return text
        if received.status == _NOT_FOUND:
            return None
        if received.status in _OF_OTHERS:
            raise BackendRefused(
                f"{self.url} is no Reductionist server: it answered with HTTP "
                f"{received.status}"
            )
        raise self._error_of(received)


def _basic(keys: Keys) -> str:
    """Write key and secret as Basic authentication does, which hides nothing."""
    return base64.b64encode(f"{keys.key}:{keys.secret}".encode()).decode()
