"""The options: their checks, and s3fs's spellings of them."""

import pytest

import activecore as ac
from activecore_s3numpy import S3NumpyOptions, S3Options

URL = "https://minio.example:9000"


def made(**storage_options):
    return S3NumpyOptions.make(S3NumpyOptions.from_storage_options(storage_options))


def plain(options):
    """Give what is set, secrets as text."""
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name in options.model_fields_set
        for value in [getattr(options, name)]
    }


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"key": "k", "secret": "s"}, {"key": "k", "secret": "s"}),
        ({"username": "k", "password": "s"}, {"key": "k", "secret": "s"}),
        (
            {"key": "k", "secret": "s", "token": "t"},
            {"key": "k", "secret": "s", "token": "t"},
        ),
        (
            {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_session_token": "t"},
            {"key": "k", "secret": "s", "token": "t"},
        ),
        (
            {"client_kwargs": {"aws_access_key_id": "k", "aws_secret_access_key": "s"}},
            {"key": "k", "secret": "s"},
        ),
        ({"anon": True}, {"anon": True}),
        ({"endpoint_url": URL}, {"endpoint_url": URL}),
        ({"endpoint_url": URL + "/"}, {"endpoint_url": URL}),
        ({"client_kwargs": {"endpoint_url": URL}}, {"endpoint_url": URL}),
        (
            {"endpoint_url": URL, "client_kwargs": {"endpoint_url": URL}},
            {"endpoint_url": URL},
        ),
        ({"client_kwargs": {"region_name": "eu-west-1"}}, {"region": "eu-west-1"}),
        ({"region_name": "eu-west-1"}, {"region": "eu-west-1"}),
        ({"config_kwargs": {"region_name": "eu-west-1"}}, {"region": "eu-west-1"}),
        ({"client_kwargs": {"verify": False}}, {"verify": False}),
        ({"client_kwargs": {"verify": "/ca.pem"}}, {"ca_bundle": "/ca.pem"}),
        ({"client_kwargs": {"verify": None}}, {}),
        (
            {"config_kwargs": {"s3": {"addressing_style": "path"}}},
            {"addressing_style": "path"},
        ),
        (
            {"config_kwargs": {"connect_timeout": 3, "read_timeout": 9}},
            {"connect_timeout": 3.0, "timeout": 9.0},
        ),
        ({"config_kwargs": {"retries": {"max_attempts": 7}}}, {"retries": 7}),
        ({"config_kwargs": {"retries": {"total_max_attempts": 7}}}, {"retries": 6}),
        ({"config_kwargs": {"max_pool_connections": 5}}, {"max_requests": 5}),
        ({"max_concurrency": 5}, {"max_requests": 5}),
        ({"profile": "era5"}, {"aws_profile": "era5"}),
        ({"requester_pays": True}, {"requester_pays": True}),
        ({"use_ssl": False, "endpoint_url": "http://h:1"}, {"endpoint_url": "http://h:1"}),
        ({"use_ssl": True, "endpoint_url": URL}, {"endpoint_url": URL}),
        ({"client_kwargs": {"use_ssl": True}}, {}),
        ({"key": None, "secret": None, "client_kwargs": None}, {}),
        ({"default_block_size": 1, "default_fill_cache": False, "default_cache_type": "none",
          "use_listings_cache": True, "skip_instance_cache": True}, {}),
        ({"bucket": "b", "merge_gap": 1, "merge_bytes": 2}, {"bucket": "b", "merge_gap": 1, "merge_bytes": 2}),
    ],
)  # fmt: skip
def test_a_spelling_of_s3fs_means(given, meant):
    found = plain(made(**given))
    if "ca_bundle" in found:
        found["ca_bundle"] = str(found["ca_bundle"])
    assert found == meant


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"endpont_url": URL}, "endpont_url.*did you mean 'endpoint_url'"),
        ({"client_kwargs": {"endpont_url": URL}}, r"client_kwargs\['endpont_url'\]"),
        ({"config_kwargs": {"signature_version": "s3"}}, r"\['signature_version'\]"),
        ({"config_kwargs": {"s3": {"payload": 1}}}, r"config_kwargs\['s3'\]\['payload'\]"),
        ({"client_kwargs": 3}, "client_kwargs must be a table"),
        ({"config_kwargs": {"s3": 3}}, r"config_kwargs\['s3'\] must be a table"),
        ({"key": "a", "username": "b", "secret": "s"}, "key and username differ"),
        ({"key": "a"}, "key and secret are needed together"),
        ({"secret": "a"}, "key and secret are needed together"),
        ({"token": "a"}, "token belongs to a key"),
        ({"key": "a", "secret": "b", "profile": "p"}, "give one of them"),
        ({"endpoint_url": "minio:9000"}, "must be a URL: https://host"),
        ({"endpoint_url": "ftp://minio"}, "must be a URL: https://host"),
        ({"endpoint_url": "https://me:pass@minio"}, "no user name and no password"),
        ({"endpoint_url": "https://minio/?x=1"}, "without a query"),
        ({"use_ssl": False}, "use_ssl = False needs an endpoint_url"),
        ({"use_ssl": False, "endpoint_url": URL}, "contradict"),
        ({"timeout": 0}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"addressing_style": "host"}, "addressing_style"),
        ({"max_requests": 0}, "max_requests"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_name(given, text):
    with pytest.raises(ac.ConfigError, match=text) as caught:
        made(**given)
    assert "\n" not in str(caught.value)
    assert "me:pass" not in str(caught.value)


def test_secrets_belong_to_the_endpoint_they_were_given_with():
    secrets = S3Options.secret_fields()
    assert secrets == {"key", "secret", "token"}
    assert S3Options.destinations == {"endpoint_url": secrets}


def test_another_backend_can_extend_the_options():
    class Mine(S3Options):
        url: str

    options = Mine.make(
        Mine.from_storage_options({"url": "http://here", "username": "k", "password": "s"})
    )  # fmt: skip
    assert options.url == "http://here"
    assert options.key.get_secret_value() == "k"
    with pytest.raises(ac.ConfigError, match="merge_gap"):
        Mine.make({"url": "http://here", "merge_gap": 1})


def test_every_option_is_described():
    for name, field in S3NumpyOptions.model_fields.items():
        assert field.description, name
