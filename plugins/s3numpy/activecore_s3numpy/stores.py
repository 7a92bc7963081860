"""obstore's stores, one for each bucket or web server, made as we say."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from activecore import ConfigError
from activecore_s3numpy.addresses import Place
from activecore_s3numpy.credentials import CredentialProvider
from activecore_s3numpy.endpoints import Endpoints

if TYPE_CHECKING:
    from obstore.store import (
        ClientConfig,
        HTTPStore,
        RetryConfig,
        S3Credential,
        S3Store,
    )

__all__ = ["Stores"]

logger = logging.getLogger(__name__)

_ONCE: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
"""Retries lie in one layer, and that is ours."""


class Stores:
    """Makes each store on first use. Threads share it; nothing of it is pickled."""

    def __init__(self, endpoints: Endpoints, credentials: CredentialProvider) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._made: dict[Place, S3Store | HTTPStore] = {}
        self._lock = threading.Lock()

    def __getitem__(self, place: Place) -> S3Store | HTTPStore:
        store = self._made.get(place)
        if store is None:
            with self._lock:
                store = self._made.setdefault(place, self._make(place))
        return store

    def _make(self, place: Place) -> S3Store | HTTPStore:
        return self._bucket(place) if place.is_s3 else self._server(place)

    def _bucket(self, place: Place) -> S3Store:
        from obstore.store import S3Store

        endpoints, options = self._endpoints, self._endpoints.options
        base = endpoints.base(place)
        is_virtual = not base.endswith(f"/{place.name}")
        endpoint = base if is_virtual else base[: -len(place.name) - 1]
        # All that obstore would take from the environment is said here.
        config: dict[str, Any] = {
            "endpoint": endpoint,
            "aws_endpoint_url_s3": endpoint,
            "region": endpoints.region,
            "virtual_hosted_style_request": is_virtual,
            "skip_signature": options.anon,
            "request_payer": options.requester_pays,
            "s3_express": False,
        }
        provider = None if options.anon else _Signer(self._credentials)
        return S3Store(
            place.name,
            config=config,  # type: ignore[arg-type] # its stub lacks request_payer
            client_options=self._client_options(endpoint),
            retry_config=_ONCE,
            credential_provider=provider,
        )

    def _server(self, place: Place) -> HTTPStore:
        from obstore.store import HTTPStore

        url = str(place)
        return HTTPStore(
            url, client_options=self._client_options(url), retry_config=_ONCE
        )

    def _client_options(self, url: str) -> ClientConfig:
        options = self._endpoints.options
        if not options.verify:
            logger.warning("the certificate of %s is not checked: verify = false", url)
        client: ClientConfig = {
            "allow_http": url.startswith("http://"),
            "allow_invalid_certificates": not options.verify,
            "timeout": timedelta(seconds=options.timeout),
            "connect_timeout": timedelta(seconds=options.connect_timeout),
            "user_agent": "activecore-s3numpy",
        }
        if url.startswith("https://") and self._endpoints.trusted is not None:
            client["root_certificate"] = self._endpoints.trusted
        return client


class _Signer:
    """Gives obstore the credentials that hold now."""

    def __init__(self, credentials: CredentialProvider) -> None:
        self._credentials = credentials

    def __call__(self) -> S3Credential:
        now = self._credentials()
        if now is None:
            raise ConfigError("an anonymous store signs nothing")
        return {
            "access_key_id": now.key,
            "secret_access_key": now.secret,
            "token": now.token,
            # What is renewed is over at once, so that it is asked for again with each
            # request: when to renew is botocore's to know.
            "expires_at": datetime.now(UTC) if self._credentials.renews else None,
        }
