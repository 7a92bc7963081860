"""What PyActiveStorage's arguments become."""

import pytest

from activecore import ConfigError
from activecore_reductionist import ReductionistOptions


def made(**given):
    return ReductionistOptions.make(ReductionistOptions.from_storage_options(given))


def test_the_servers_url_may_be_called_as_in_pyactivestorage():
    assert made(active_storage_url="https://server.example:8080").url == (
        "https://server.example:8080"
    )


def test_turning_the_cache_off_is_obeyed_and_not_turning_it_off_turns_nothing_on():
    assert made(option_disable_chunk_cache=True, chunk_cache=True).chunk_cache is False
    assert made(option_disable_chunk_cache=False).chunk_cache is False
    assert made(chunk_cache=True).chunk_cache is True


def test_s3fss_spellings_are_taken_beside_them():
    options = made(
        active_storage_url="https://server.example",
        key="k",
        secret="hush",  # noqa: S106 - a made-up one
        client_kwargs={"endpoint_url": "https://objects.example"},
    )
    assert options.endpoint_url == "https://objects.example"
    assert options.secret.get_secret_value() == "hush"


def test_an_unknown_one_is_refused_by_name():
    with pytest.raises(ConfigError, match="active_storage_uri"):
        made(active_storage_uri="https://server.example")
